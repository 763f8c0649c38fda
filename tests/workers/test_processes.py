"""The same end-to-end story in one process, and apart over RabbitMQ and over Redis."""

import gc
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from rekindle.clock import SystemClock
from rekindle.presence import find_running
from rekindle.process import spare_what_stays
from store.session import Store
from tests.shop import LAYOUT, Shop

PATIENCE_SECONDS = 40
WELCOME = """
journey: welcome
topic: service
start:
  - event: account.created
steps:
  - send: welcome
  - wait: 1 second
  - send: tips
"""


@pytest.fixture(params=["embedded", "rabbitmq", "redis"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """What the processes of one way to deploy are told."""
    shared = {**os.environ, "REKINDLE_SECRET_KEY": "for tests only", "PYTHONUNBUFFERED": "1"}
    if request.param == "embedded":
        url = f"sqlite:///{tmp_path / 'rekindle.db'}"
        return {**shared, "REKINDLE_DATABASE_URL": request.getfixturevalue("sqlite_url") or url}
    broker = request.getfixturevalue(f"{request.param}_url")
    database = request.getfixturevalue("postgres_url")
    return {**shared, "REKINDLE_DATABASE_URL": database, "REKINDLE_BROKER_URL": broker}


def test_an_event_sent_by_a_client_becomes_a_mail_and_time_brings_the_next(
    environment: dict[str, str], tmp_path: Path
) -> None:
    folder = _workspace(tmp_path / "workspace", environment)
    commands = [["up"]]
    if "REKINDLE_BROKER_URL" in environment:
        commands = [["web"], ["worker"], ["scheduler"]]

    with ExitStack() as running:
        port = _free_port()
        for command in commands:
            ports = ["--port", str(port)] if command[0] in ("up", "web") else []
            running.enter_context(_started([*command, *ports], folder, environment))
        _post(port, {"userId": "ana", "type": "identify", "traits": {"email": "ana@example.com"}})
        _post(port, {"userId": "ana", "type": "track", "event": "Account Created"})
        mails = _wait_for_mails(folder / "outbox", 2)
        announced = _announced(environment)

    assert len(mails) == 2
    assert announced == (commands == [["up"]])


def _announced(environment: dict[str, str]) -> bool:
    """Whether a newer version could tell that a process works with this SQLite file."""
    store = Store(environment["REKINDLE_DATABASE_URL"])
    try:
        return bool(find_running(store))
    finally:
        store.close()


def _workspace(folder: Path, environment: dict[str, str]) -> Path:
    folder.mkdir()
    shop = Shop(folder, environment["REKINDLE_DATABASE_URL"], SystemClock().now(), environment)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    shop.write("journeys/welcome.yaml", WELCOME)
    shop.mail("welcome")
    shop.mail("tips")
    shop.apply()
    shop.close()
    subprocess.run(
        _command("keys", "add", "--write-key", "wk", folder=folder), env=environment, check=True
    )
    return folder


def _command(*words: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "rekindle", *words, "--workspace", str(folder)]


@contextmanager
def _started(words: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """One process, up once it has said so."""
    process = subprocess.Popen(
        _command(*words, folder=folder),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if line.startswith(("Listening", "Working", "Scheduling")):
                break
        else:
            pytest.fail(f"{words} ended: {''.join(said)}")
        yield
    finally:
        process.terminate()
        ended = process.wait(timeout=PATIENCE_SECONDS)
        process.stdout.close()
    assert ended == 0, f"{words} was told to stop and ended with {ended}"


def _post(port: int, message: dict[str, object]) -> None:
    body = json.dumps({"batch": [message], "writeKey": "wk"}).encode()
    request = Request(f"http://127.0.0.1:{port}/v1/batch", body, {"Content-Type": "text/plain"})
    for _ in range(PATIENCE_SECONDS * 10):
        try:
            with urlopen(request, timeout=10) as answer:
                assert json.load(answer) == {"success": True}
            return
        except ConnectionError:
            time.sleep(0.1)  # the port is announced just before it listens
        except OSError as error:
            if "refused" not in str(error):
                raise
            time.sleep(0.1)
    pytest.fail("the web never listened")


def _wait_for_mails(outbox: Path, count: int) -> list[Path]:
    """A real deployment is watched in real time; the only place that waits."""
    for _ in range(PATIENCE_SECONDS * 10):
        found = list(outbox.glob("*.eml"))
        if len(found) >= count:
            return found
        time.sleep(0.1)
    return list(outbox.glob("*.eml"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_the_collector_leaves_alone_what_a_worker_has_loaded() -> None:
    before = gc.get_threshold()
    try:
        spare_what_stays()

        spared = gc.get_freeze_count()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)

    assert spared > len(sys.modules)
