"""The same end-to-end story in one process, and apart over RabbitMQ and over Redis."""

import gc
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rekindle.clock import SystemClock
from rekindle.garbage import spare_what_stays
from rekindle.presence import find_running
from store.session import Store
from tests.deployments import (
    DEPLOYMENTS,
    PATIENCE_SECONDS,
    command_in,
    deployed,
    environment_of,
    post,
)
from tests.shop import LAYOUT, Shop

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


@pytest.fixture(params=DEPLOYMENTS)
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """What the processes of one way to deploy are told."""
    return environment_of(request, request.param, tmp_path)


def test_an_event_sent_by_a_client_becomes_a_mail_and_time_brings_the_next(
    environment: dict[str, str], tmp_path: Path
) -> None:
    folder, log = _workspace(tmp_path / "workspace", environment), list[str]()

    with deployed(folder, environment, log) as port:
        post(port, {"userId": "ana", "type": "identify", "traits": {"email": "ana@example.com"}})
        post(port, {"userId": "ana", "type": "track", "event": "Account Created"})
        mails = _wait_for_mails(folder / "outbox", 2)
        announced = _announced(environment)

    assert len(mails) == 2
    assert announced == ("REKINDLE_BROKER_URL" not in environment)
    assert "ana@example.com" not in "".join(log)


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
        command_in("keys", "add", "--write-key", "wk", folder=folder), env=environment, check=True
    )
    return folder


def _wait_for_mails(outbox: Path, count: int) -> list[Path]:
    """A real deployment is watched in real time; the only place that waits."""
    for _ in range(PATIENCE_SECONDS * 10):
        found = list(outbox.glob("*.eml"))
        if len(found) >= count:
            return found
        time.sleep(0.1)
    return list(outbox.glob("*.eml"))


def test_the_collector_leaves_alone_what_a_worker_has_loaded() -> None:
    before = gc.get_threshold()
    try:
        spare_what_stays()

        spared = gc.get_freeze_count()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)

    assert spared > len(sys.modules)
