"""What every test may ask for: the databases, the brokers, a mail server and the shared fixtures.

Servers are real. One that is missing skips its tests by name; under REKINDLE_REQUIRE_SERVICES=1 it
fails them, as REKINDLE_REQUIRE_SHARED=1 does for the folder of third-party fixtures.
"""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import make_url
from sqlalchemy.engine import URL

from rekindle.migrating import upgrade
from store import session
from store.session import Store
from store.tables import metadata
from tests.compiled_statements import share_compiled_statements
from tests.mail_sink import MailSink
from tests.servers import (
    fresh_postgres_database,
    running_postgres,
    running_rabbitmq,
    running_redis,
)

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

share_compiled_statements()
settings.register_profile("rekindle", deadline=None)  # no test asks how long anything takes
settings.load_profile("rekindle")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "rabbitmq_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("rabbitmq"))


session.SYNCHRONOUS = "OFF"  # no test cuts the power, and each would wait for the disk


@pytest.fixture
def now() -> datetime:
    """A Monday morning."""
    return MONDAY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of fixtures and data that are not ours to copy."""
    if not SHARED.is_dir():
        if os.environ.get("REKINDLE_REQUIRE_SHARED") == "1":
            pytest.fail(f"{SHARED} is required here and is missing")
        pytest.skip("no shared fixtures beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def worker(worker_id: str) -> int:
    """Which of the parallel test processes this is."""
    return int(worker_id.removeprefix("gw") or 0) if worker_id != "master" else 0


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    file = tmp_path_factory.mktemp("template") / "template.db"
    store = Store(f"sqlite:///{file}")
    upgrade(store)
    store.close()  # the last connection to leave folds the write-ahead log into the file
    return file


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A PostgreSQL in which we may create databases."""
    with running_postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_database(postgres_server: URL, worker: int) -> Iterator[str]:
    """A migrated PostgreSQL database of this test process."""
    name = f"rekindle_test_{os.getpid()}_{worker}"
    with fresh_postgres_database(postgres_server, name) as url:
        address = url.render_as_string(hide_password=False)
        store = Store(address)
        upgrade(store)
        store.close()
        yield address
        _broom(address).close()
        _broom.cache_clear()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated, empty SQLite database."""
    file = tmp_path / "rekindle.db"
    shutil.copy(sqlite_template, file)  # with its mode
    return f"sqlite:///{file}"


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """A migrated, empty PostgreSQL database."""
    _empty(postgres_database)
    return postgres_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database, once of each kind."""
    url: str = request.getfixturevalue(
        "sqlite_url" if request.param == "sqlite" else "postgres_url"
    )
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path
) -> Callable[[], str]:
    """A migrated, empty database each time it is called, once of each kind."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_database")
        return lambda: _emptied(url)
    numbers = count(1)

    def copy() -> str:
        file = tmp_path / f"rekindle-{next(numbers)}.db"
        shutil.copy(sqlite_template, file)  # with its mode
        return f"sqlite:///{file}"

    return copy


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An open, empty store, once on each database."""
    opened = Store(database_url)
    yield opened
    opened.close()


def _emptied(url: str) -> str:
    _empty(url)
    return url


_FILLED = " UNION ALL ".join(
    f"(SELECT '{t.name}' FROM {t.name} LIMIT 1)" for t in metadata.sorted_tables
)
_COUNT_FROM_ONE = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false)
FROM pg_sequences WHERE schemaname = current_schema() AND last_value IS NOT NULL
"""


def _empty(url: str) -> None:
    broom = _broom(url)
    filled = [name for (name,) in broom.execute(_FILLED)]
    if filled:
        broom.execute(f"TRUNCATE {', '.join(filled)}")
    # What was taken back, or deleted again, used numbers too.
    broom.execute(_COUNT_FROM_ONE)


@cache
def _broom(url: str) -> psycopg.Connection[Any]:
    """Stay connected: a new connection would read the catalogue anew before each test."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True, prepare_threshold=1)


@pytest.fixture
def redis_url(worker: int) -> Iterator[str]:
    """An empty Redis database."""
    from redis import Redis

    with running_redis(worker) as url, Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def rabbitmq_url() -> str:
    """A running RabbitMQ. Its queues outlive a test: name yours."""
    return running_rabbitmq()


@pytest.fixture
def smtp_sink() -> Iterator[MailSink]:
    """A real SMTP server that keeps what it is given."""
    with MailSink() as sink:
        yield sink


@pytest.fixture(autouse=True)
def no_outside_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets reach this machine only, but for tests marked `live`."""
    if request.node.get_closest_marker("live"):
        return
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not _is_here(address[0]):
            raise AssertionError(f"a test wanted to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
