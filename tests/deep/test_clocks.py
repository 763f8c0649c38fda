"""Every process with a machine of its own whose clock is wrong, jumps and steps: real processes on
each deployment end as if all clocks were right.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from subprocess import run

import pytest
from sqlalchemy import select

from rekindle.clock import SystemClock
from store.session import Store
from store.tables import messages
from tests.conftest import ROOT
from tests.deployments import command_in, post, started
from tests.servers import free_port
from tests.shop import LAYOUT, Shop
from tests.workers.journeys import write_journey

pytestmark = pytest.mark.deep
LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
PATIENCE_SECONDS = 60
WELCOME = """
start: [{event: account.created}]
steps:
  - send: hello
  - wait: 1 second
  - send: tips
"""
THANKS = "start: [{event: order.completed}]\nsteps: [{send: thanks}]\n"
MANY = 12

Environment = Mapping[str, str]


# libfaketime 0.9.10 and the sleep of Python 3.11 do not get on in workers: whoever starts Python
# there finds its time, and ours, off instead
WRONG_TIME = """
import datetime, os, time, rekindle.clock
told, right = os.environ["CLOCK_FILE"], time.time
def off_by():
    with open(told) as file:
        return float(file.read())
time.time = lambda: right() + off_by()
rekindle.clock.wall_now = lambda: datetime.datetime.fromtimestamp(time.time(), datetime.UTC)
"""


class Machine:
    """A clock that is off, and may be set while processes look at it."""

    def __init__(self, folder: Path, off_by: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "clock"
        self.set(off_by)

    def set(self, off_by: str) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(f"{off_by}\n")
        new.rename(self.file)

    def told(self, environment: Environment) -> dict[str, str]:
        """For processes of Python that start with `WRONG_TIME`."""
        (self.file.parent / "sitecustomize.py").write_text(WRONG_TIME)
        path = os.pathsep.join([str(self.file.parent), str(ROOT)])
        return {**environment, "CLOCK_FILE": str(self.file), "PYTHONPATH": path}

    def told_by_libfaketime(self, environment: Environment) -> dict[str, str]:
        if not LIBRARY.exists():
            pytest.skip("no libfaketime here")
        return {
            **environment,
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def embedded(tmp_path: Path, sqlite_url: str) -> dict[str, str]:
    return _told(sqlite_url)


@pytest.fixture(params=["rabbitmq", "redis"])
def apart(request: pytest.FixtureRequest, postgres_url: str) -> dict[str, str]:
    broker = request.getfixturevalue(f"{request.param}_url")
    return _told(postgres_url) | {"REKINDLE_BROKER_URL": broker}


def _told(database: str) -> dict[str, str]:
    return {
        **os.environ,
        "REKINDLE_SECRET_KEY": "for tests only, and long enough for it",
        "PYTHONUNBUFFERED": "1",
        "REKINDLE_DATABASE_URL": database,
    }


def test_two_of_everything_each_with_its_own_clock(tmp_path: Path, apart: dict[str, str]) -> None:
    folder = workspace(tmp_path / "workspace", apart)
    ports = [free_port(), free_port()]
    off_by = ["+0.3", "-3", "+86400", "-86400", "-0.3", "+3"]
    machines = [Machine(tmp_path / str(n), off) for n, off in enumerate(off_by)]
    words = (
        [["web", "--port", str(port)] for port in ports] + [["worker"]] * 2 + [["scheduler"]] * 2
    )
    with ExitStack() as stack:
        for machine, one in zip(machines, words, strict=True):
            stack.enter_context(started(one, folder, machine.told(apart)))
        for number in range(MANY):
            open_account(ports[number % 2], f"a{number}")
            if number % 5 == 0:  # step, each time otherwise
                machines[number % 6].set(off_by[(number + 3) % 6])
        wait_for(folder, 2 * MANY)
        apply_anew(folder, machines[2].told(apart))
        for number in range(MANY):
            open_account(ports[number % 2], f"b{number}")
            order(ports[number % 2], f"a{number}")
        wait_for(folder, 4 * MANY)

    check(folder, apart)


def test_a_clock_that_was_a_day_ahead_at_boot(tmp_path: Path, embedded: dict[str, str]) -> None:
    folder = workspace(tmp_path / "workspace", embedded)
    machine, port = Machine(tmp_path / "machine", "+86400"), free_port()
    with started(["up", "--port", str(port)], folder, machine.told_by_libfaketime(embedded)):
        for number in range(MANY):
            open_account(port, f"a{number}")
        wait_for(folder, 2 * MANY)
        apply_anew(folder, machine.told_by_libfaketime(embedded))
        machine.set("+0")
        time.sleep(2)  # until the process looks at the file again
        for number in range(MANY):
            open_account(port, f"b{number}")
            order(port, f"a{number}")
        wait_for(folder, 4 * MANY)

    check(folder, embedded)


def workspace(folder: Path, environment: Environment) -> Path:
    folder.mkdir()
    shop = Shop(
        folder, environment["REKINDLE_DATABASE_URL"], SystemClock().now(), dict(environment)
    )
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    write_journey(shop, "welcome", WELCOME)
    write_journey(shop, "thanks", THANKS)
    for name in ("hello", "tips", "thanks"):
        shop.mail(name, subject=name)
    shop.apply()
    shop.close()
    run(command_in("keys", "add", "--write-key", "wk", folder=folder), env=environment, check=True)
    return folder


def apply_anew(folder: Path, environment: Environment) -> None:
    """Thanks are retired, and the first mail says something else."""
    (folder / "journeys" / "thanks.yaml").unlink()
    hello = folder / "templates" / "hello.html.j2"
    hello.write_text(hello.read_text().replace("hello", "welcome"))
    run(command_in("apply", "--allow", "1000", folder=folder), env=environment, check=True)


def open_account(port: int, name: str) -> None:
    said = {"type": "identify", "userId": name, "traits": {"email": f"{name}@example.com"}}
    post(port, said, {"type": "track", "userId": name, "event": "Account Created"})


def order(port: int, name: str) -> None:
    post(port, {"type": "track", "userId": name, "event": "Order Completed"})


def wait_for(folder: Path, count: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while len(list((folder / "outbox").glob("*.eml"))) < count and time.monotonic() < until:
        time.sleep(0.2)


def check(folder: Path, environment: Environment) -> None:
    """Everybody got both mails once, the later ones as applied later; nobody was thanked."""
    found: Counter[tuple[str, str]] = Counter()
    for file in (folder / "outbox").glob("*.eml"):
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        found[str(mail["To"]).partition("@")[0], str(mail["Subject"])] += 1
    assert refused(environment) == []
    assert found == Counter(
        (f"{when}{number}", subject)
        for number in range(MANY)
        for when, first in (("a", "hello"), ("b", "welcome"))
        for subject in (first, "tips")
    )


def refused(environment: Environment) -> list[str]:
    with opened(environment) as store, store.read() as connection:
        query = select(messages.c.reason).where(messages.c.status != "sent")
        return list(connection.scalars(query))


@contextmanager
def opened(environment: Environment) -> Iterator[Store]:
    store = Store(environment["REKINDLE_DATABASE_URL"])
    try:
        yield store
    finally:
        store.close()
