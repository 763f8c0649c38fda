"""What four SDKs put on the wire, replayed byte for byte."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from rekindle.clock import FixedClock
from rekindle.services import Services, open_services
from store.keys import add_key
from store.tables import customers, event_kinds, events, identities, parked_events, traits
from web.ingest import routes

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
WRITE_KEYS = (*(f"wk_shared_000{n}" for n in range(1, 6)), "wk_retry")
STORED_AS = {
    "identify": "customer.identified",
    "group": "customer.grouped",
    "alias": "customer.aliased",
    "page": "page.viewed",
    "screen": "screen.viewed",
}
CAPTURES = (
    "rudder-python-2.1.9",
    "rudder-python-2.1.9.retry-503-503-429",
    "segment-browser-next-1.84.3",
    "segment-browser-next-1.84.3.batching",
    "segment-browser-next-1.84.3.retry-503-503-429",
    "segment-node-3.1.0",
    "segment-node-3.1.0.retry-503-503-429",
    "segment-python-2.4.0",
    "segment-python-2.4.0.bad-request-400",
    "segment-python-2.4.0.retry-503-503-429",
)


@pytest.fixture
def services(database_url: str, tmp_path: Path) -> Iterator[Services]:
    opened = open_services(tmp_path, FixedClock(NOW), database=database_url, environment={})
    with opened.store.begin() as tx:
        for key in WRITE_KEYS:
            add_key(tx, key, NOW)
    yield opened
    opened.close()


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    app = Starlette(routes=routes)
    app.state.services = services
    with TestClient(app, follow_redirects=False) as opened:
        yield opened


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_captured_call_without_its_header_is_known_by_the_key_that_it_bears(
    shared: Path, client: TestClient, capture: str
):
    for request in load_requests(shared, capture):
        body = request.get("body_json")
        if request["method"] == "POST" and body and "writeKey" in body:
            assert client.post(request["path"], json=body).status_code == 200


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_captured_request_is_stored_as_expected_and_only_once(
    shared: Path, client: TestClient, services: Services, capture: str
):
    requests = load_requests(shared, capture)
    expected = json.loads((shared / "fixtures/segment/expected.json").read_text())[capture]

    replay(client, requests)
    stored = load_stored(services)
    everything = count_rows(services)
    replay(client, requests)

    assert stored == expected_rows(expected["messages"])
    assert load_stored(services) == stored
    assert count_rows(services) == everything


def load_requests(shared: Path, capture: str) -> list[dict[str, Any]]:
    lines = (shared / f"fixtures/segment/{capture}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def replay(client: TestClient, requests: list[dict[str, Any]]) -> None:
    for request in requests:
        raw = request.get("body_raw_base64")
        body = base64.b64decode(raw) if raw else (request.get("body_text_raw") or "").encode()
        headers = [(n, v) for n, v in request["headers"] if n.lower() not in ("host", "connection")]
        answer = client.request(request["method"], request["path"], content=body, headers=headers)
        assert answer.status_code == 200
        if request["method"] == "POST":
            assert answer.text == '{"success":true}'
        if request["method"] == "OPTIONS":
            asked = dict(headers)["Access-Control-Request-Headers"].split(",")
            allowed = answer.headers["access-control-allow-headers"].split(", ")
            assert set(asked) <= set(allowed)
        else:
            assert answer.headers["access-control-allow-origin"] == "*"


def expected_rows(messages: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The first of each message id; who was anonymous is who they later said they are."""
    said = {m["anonymousId"]: m["userId"] for m in messages if m["anonymousId"] and m["userId"]}
    return {
        m["messageId"]: expected_row(m) | {"customer": m["userId"] or said.get(m["anonymousId"])}
        for m in reversed(messages)
    }


def expected_row(message: dict[str, Any]) -> dict[str, Any]:
    stamp, sent = (datetime.fromisoformat(message[key]) for key in ("timestamp", "sentAt"))
    kept = ("type", "previousId", "groupId", "event", "name", "email")
    return {key: message[key] for key in kept} | {"occurred_at": NOW - (sent - stamp)}


def load_stored(services: Services) -> dict[str, dict[str, Any]]:
    query = (
        select(events, event_kinds.c.name, customers.c.external_id)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .outerjoin(customers, customers.c.id == events.c.customer_id)
    )
    types = {name: kind for kind, name in STORED_AS.items()}
    with services.store.read() as connection:
        return {
            row.message_id: {
                "type": types.get(row.name, "track"),
                "customer": row.external_id,
                "occurred_at": row.occurred_at,
                "previousId": row.properties.get("previousId"),
                "groupId": row.properties.get("groupId"),
                "event": row.original_name,
                "name": row.properties.get("name")
                if row.name in ("page.viewed", "screen.viewed")
                else None,
                "email": row.properties.get("email"),
            }
            for row in connection.execute(query)
        }


def count_rows(services: Services) -> list[int]:
    tables = (events, traits, identities, customers, parked_events)
    with services.store.read() as connection:
        return [len(connection.execute(select(table)).all()) for table in tables]
