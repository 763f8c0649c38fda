"""`/hooks/{source}`: stored once if genuine, refused if not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from httpx2 import Response
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from adapters.helpdesk.base import RawRequest
from rekindle.clock import FixedClock
from rekindle.services import Services, open_services
from store.tables import event_kinds, events, parked_events, rejects
from tests.adapters.helpdesk.webhooks import (
    CHATWOOT_SECRET,
    chatwoot,
    conversation,
    recorded,
    signed,
    stamped_at,
)
from tests.store.people import ext, identify, owners, take
from web.hooks import routes

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def services(sqlite_url: str, tmp_path: Path) -> Iterator[Services]:
    (tmp_path / "rekindle.yaml").write_text('sources: {chatwoot: {secret: "${CHATWOOT_SECRET}"}}')
    environment = {"CHATWOOT_SECRET": CHATWOOT_SECRET}
    opened = open_services(tmp_path, FixedClock(NOW), database=sqlite_url, environment=environment)
    yield opened
    opened.close()


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    app = Starlette(routes=routes)
    app.state.services = services
    with TestClient(app, follow_redirects=False) as opened:
        yield opened


def post(client: TestClient, request: RawRequest) -> Response:
    return client.post(request.path, content=request.body, headers=dict(request.headers))


def stored(services: Services) -> list[str]:
    query = select(event_kinds.c.name).join(events, events.c.kind_id == event_kinds.c.id)
    with services.store.read() as connection:
        return list(connection.scalars(query.order_by(events.c.occurred_at, events.c.id)))


def rejected(services: Services) -> list[str]:
    with services.store.read() as connection:
        return list(connection.scalars(select(rejects.c.reason)))


def at(services: Services, moment: datetime) -> None:
    assert isinstance(services.clock, FixedClock)
    services.clock.at = moment


def test_recorded_webhooks_are_stored_in_their_order_and_only_once(
    client: TestClient, services: Services
):
    take(services.store, identify(ext("cust_1001"), occurred_at=NOW - timedelta(days=9)))
    names = ("resolved", "reopened")
    webhooks = [recorded("chatwoot", f"conversation_status_changed.{name}") for name in names]

    for request in [*webhooks, *webhooks]:
        at(services, stamped_at(request))
        assert post(client, request).status_code == 200

    assert stored(services) == ["customer.identified", "ticket.solved", "ticket.reopened"]
    assert set(owners(services.store).values()) == {"cust_1001"}


def test_a_ticket_of_somebody_unknown_waits_for_them(client: TestClient, services: Services):
    request = recorded("chatwoot", "message_updated.csat")
    at(services, stamped_at(request))

    post(client, request)
    waiting = owners(services.store)
    take(services.store, identify(ext("ana"), traits={"email": "ana.alvarez@example.com"}))

    assert list(waiting.values()) == [None]
    assert set(owners(services.store).values()) == {"ana"}
    with services.store.read() as connection:
        assert connection.execute(select(parked_events)).all() == []


@pytest.mark.parametrize(
    "request_",
    [
        chatwoot(conversation("conversation_created"), NOW, secret="wrong"),
        chatwoot(conversation("conversation_created"), NOW - timedelta(minutes=6)),
        chatwoot(conversation("conversation_created"), NOW + timedelta(minutes=6)),
        RawRequest("POST", "/hooks/chatwoot", {}, b"{}"),
    ],
)
def test_what_is_not_genuine_is_refused_and_nothing_is_kept(
    client: TestClient, services: Services, request_: RawRequest
):
    answer = post(client, request_)

    assert answer.status_code == 401
    assert stored(services) == []
    assert rejected(services) == []


def test_without_a_secret_every_webhook_is_refused(sqlite_url: str, tmp_path: Path):
    services = open_services(tmp_path, FixedClock(NOW), database=sqlite_url, environment={})
    app = Starlette(routes=routes)
    app.state.services = services
    with TestClient(app) as client:
        answer = post(client, chatwoot(conversation("conversation_created"), NOW, secret=""))
    services.close()

    assert answer.status_code == 401
    assert "sources.chatwoot.secret" in answer.text


def test_what_we_cannot_map_is_taken_and_noted(client: TestClient, services: Services):
    answer = post(client, chatwoot(conversation("conversation_updated"), NOW))

    assert answer.status_code == 200
    assert stored(services) == []
    assert len(rejected(services)) == 1


def test_a_signed_body_that_is_not_json_is_refused(client: TestClient, services: Services):
    answer = post(client, signed(b"<html>", NOW))

    assert answer.status_code == 400
    assert rejected(services) == []


def test_an_unknown_source_is_not_found(client: TestClient):
    assert client.post("/hooks/nobody").status_code == 404
    assert client.get("/hooks/base").status_code == 404


def test_vendors_may_ask_whether_anybody_is_there(client: TestClient):
    assert client.get("/hooks/chatwoot").status_code == 200
    assert client.head("/hooks/chatwoot").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_any_other_method_is_not_allowed(client: TestClient, method: str):
    assert client.request(method, "/hooks/chatwoot").status_code == 405


def test_a_channel_the_workspace_lacks_is_the_default_of_the_name(
    client: TestClient, services: Services
):
    post(client, chatwoot(conversation("conversation_created", channel="Channel::Unheard"), NOW))

    with services.store.read() as connection:
        assert list(connection.scalars(select(event_kinds.c.channel))) == ["ticket"]
