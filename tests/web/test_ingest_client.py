"""Live SDKs deliver to a real server on this machine."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from rudderstack.analytics.client import Client as RudderStack
from segment.analytics import Client as Segment
from sqlalchemy import select
from starlette.applications import Starlette

from rekindle.clock import RunningClock
from rekindle.services import Services, open_services
from store.customers import find_customer, load_customers
from store.keys import add_key
from store.tables import events
from web.ingest import routes

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WRITE_KEY = "wk_live"


@pytest.fixture
def services(sqlite_url: str, tmp_path: Path) -> Iterator[Services]:
    clock = RunningClock.started_at(NOW)
    opened = open_services(tmp_path, clock, database=sqlite_url, environment={})
    with opened.store.begin() as tx:
        add_key(tx, WRITE_KEY, NOW)
    yield opened
    opened.close()


@pytest.fixture
def address(services: Services) -> Iterator[str]:
    """A server with our routes alone, on a port of its own."""
    app = Starlette(routes=routes)
    app.state.services = services
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("sdk", [Segment, RudderStack])
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_python_client_delivers(services: Services, address: str, sdk: Any, is_packed: bool):
    problems: list[object] = []
    client = sdk(
        WRITE_KEY, host=address, gzip=is_packed, on_error=lambda error, _: problems.append(error)
    )

    client.identify("ana", {"email": "ana@example.com"})
    client.track("ana", "Order Completed", {"total": 49.9})
    client.page(user_id="ana", name="Pricing")
    client.flush()
    client.join()

    assert problems == []
    assert stored_of(services, "ana") == ("ana@example.com", 3)


def stored_of(services: Services, external_id: str) -> tuple[str, int]:
    """The address of a customer, and how many events lie within a minute of the server's time."""
    now = services.clock.now()
    with services.store.read() as connection:
        id_ = find_customer(connection, external_id)
        assert id_ is not None
        email = load_customers(connection, [id_], now)[id_].email
        stamps = list(connection.scalars(select(events.c.occurred_at)))
    return email, sum(abs(stamp - now) < MINUTE for stamp in stamps)
