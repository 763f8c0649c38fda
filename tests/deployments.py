"""Whole deployments as processes of their own: embedded, and apart over RabbitMQ and over Redis."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.servers import free_port

PATIENCE_SECONDS = 40
DEPLOYMENTS = ("embedded", "rabbitmq", "redis")


def environment_of(request: pytest.FixtureRequest, deployment: str, folder: Path) -> dict[str, str]:
    """What the processes of one way to deploy are told."""
    shared = {
        **os.environ,
        "REKINDLE_SECRET_KEY": "for tests only, and long enough for it",
        "PYTHONUNBUFFERED": "1",
    }
    if deployment == "embedded":
        url = f"sqlite:///{folder / 'rekindle.db'}"
        return {**shared, "REKINDLE_DATABASE_URL": request.getfixturevalue("sqlite_url") or url}
    broker = request.getfixturevalue(f"{deployment}_url")
    database = request.getfixturevalue("postgres_url")
    return {**shared, "REKINDLE_DATABASE_URL": database, "REKINDLE_BROKER_URL": broker}


@contextmanager
def deployed(
    folder: Path, environment: dict[str, str], log: list[str] | None = None
) -> Iterator[int]:
    """Every process of a deployment; the port of its web. What they say goes into `log`."""
    commands = [["up"]]
    if "REKINDLE_BROKER_URL" in environment:
        commands = [["web"], ["worker"], ["scheduler"]]
    with ExitStack() as running:
        port = free_port()
        for command in commands:
            ports = ["--port", str(port)] if command[0] in ("up", "web") else []
            running.enter_context(started([*command, *ports], folder, environment, log))
        yield port


def command_in(*words: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "rekindle", *words, "--workspace", str(folder)]


@contextmanager
def started(
    words: list[str], folder: Path, environment: dict[str, str], log: list[str] | None = None
) -> Iterator[None]:
    """One process, up once it has said so; what it says goes into `log`."""
    process = subprocess.Popen(
        command_in(*words, folder=folder),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = [] if log is None else log
    reading = threading.Thread()
    try:
        for line in process.stdout:
            said.append(line)
            if line.startswith(("Listening", "Working", "Scheduling")):
                break
        else:
            pytest.fail(f"{words} ended: {''.join(said)}")
        # whoever says much would wait for us to read it
        reading = threading.Thread(target=said.extend, args=(process.stdout,), daemon=True)
        reading.start()
        yield
    finally:
        process.terminate()
        ended = process.wait(timeout=PATIENCE_SECONDS)
        if reading.ident is not None:
            reading.join()
        process.stdout.close()
    assert ended == 0, f"{words} was told to stop and ended with {ended}"


def post(port: int, *messages: Mapping[str, object]) -> None:
    body = json.dumps({"batch": messages, "writeKey": "wk"}).encode()
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
