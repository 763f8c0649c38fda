"""`/v1/…`: who is let in, what is refused as a whole, and what SDKs are told."""

import gzip
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from rekindle.clock import FixedClock
from rekindle.services import NoWake, Services, open_services
from store.keys import add_key, revoke_key
from store.tables import customers, event_kinds, events, rejects, traits
from web.credentials import read_basic
from web.ingest import MOST_BODY_BYTES, routes
from web.write_keys import REMEMBERED, KeyRing

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEY = ("wk_server", "")
BROWSER_KEY = ("wk_browser", "")
PAGE = {"userId": "ana"}


class Woken(NoWake):
    """Counts how often somebody was told that there is work."""

    def __init__(self) -> None:
        self.times = 0

    def changed(self) -> None:
        self.times += 1


@pytest.fixture
def services(sqlite_url: str, tmp_path: Path) -> Iterator[Services]:
    opened = open_services(
        tmp_path, FixedClock(NOW), database=sqlite_url, environment={}, wake=Woken()
    )
    with opened.store.begin() as tx:
        add_key(tx, "wk_server", NOW)
        add_key(tx, "wk_browser", NOW, is_browser=True, label="shop")
    yield opened
    opened.close()


@pytest.fixture
def app(services: Services) -> Starlette:
    made = Starlette(routes=routes)
    made.state.services = services
    return made


@pytest.fixture
def client(app: Starlette) -> Iterator[TestClient]:
    with TestClient(app, follow_redirects=False) as opened:
        yield opened


def stored(services: Services) -> list[str]:
    query = select(event_kinds.c.name).join(events, events.c.kind_id == event_kinds.c.id)
    with services.store.read() as connection:
        return list(connection.scalars(query.order_by(events.c.id)))


def reasons(services: Services) -> list[str]:
    with services.store.read() as connection:
        return list(connection.scalars(select(rejects.c.reason)))


ANA = "ana@example.com"


@pytest.mark.parametrize(
    "message",
    [
        {"email": ANA},
        {"traits": {"email": ANA}},
        {"context": {"traits": {"email": " Ana@Example.COM "}}},
        {"properties": {"email": ANA}},
        {"anonymousId": "a", "traits": {"email": ANA}},
    ],
)
def test_a_server_may_name_somebody_by_address_and_nobody_is_made_of_it(
    client: TestClient, services: Services, message: dict[str, Any]
):
    track = {"event": "Order Completed", **message}
    waiting = client.post("/v1/track", json=track | {"messageId": "1"}, auth=KEY)
    client.post("/v1/identify", json={"userId": "7", "traits": {"email": ANA}}, auth=KEY)
    found = client.post("/v1/track", json=track | {"messageId": "2"}, auth=KEY)

    assert waiting.json() == {"success": True, "rejected": [], "waiting": {"unknown_address": 1}}
    assert is_success(found)
    with services.store.read() as connection:
        assert list(connection.scalars(select(customers.c.external_id))) == ["7"]
        assert set(connection.scalars(select(events.c.customer_id))) == {1}


@pytest.mark.parametrize(
    ("message", "key", "said"),
    [
        ({"email": ANA}, BROWSER_KEY, "neither userId nor anonymousId"),
        ({"properties": {"email": "nobody"}}, KEY, "email cannot be used"),
        ({"properties": {}}, KEY, "neither userId nor anonymousId nor email"),
    ],
)
def test_who_cannot_be_told_is_refused_with_the_reason(
    client: TestClient, services: Services, message: dict[str, Any], key: Any, said: str
):
    answer = client.post("/v1/track", json={"event": "Order Completed", **message}, auth=key)

    assert said in answer.json()["rejected"][0]["reason"]
    assert stored(services) == []


def test_the_address_of_somebody_else_is_no_identity_of_a_visitor(
    client: TestClient, services: Services
):
    client.post("/v1/identify", json={"userId": "7", "traits": {"email": ANA}}, auth=KEY)
    invited = {"event": "Friend Invited", "anonymousId": "a", "properties": {"email": ANA}}

    answer = client.post("/v1/track", json=invited, auth=KEY)

    assert is_success(answer)
    with services.store.read() as connection:
        owners = connection.execute(select(events.c.customer_id).order_by(events.c.id)).all()
    assert [row.customer_id for row in owners] == [1, 0]


def is_success(answer: Response) -> bool:
    return answer.status_code == 200 and answer.text == '{"success":true}'


@pytest.mark.parametrize(
    "kind", ["identify", "track", "page", "screen", "group", "alias", "i", "t", "p", "s", "g", "a"]
)
def test_every_address_takes_its_kind_of_message(client: TestClient, services: Services, kind: str):
    message = {**PAGE, "event": "Order Completed", "groupId": "g", "previousId": "x"}

    answer = client.post(f"/v1/{kind}", json=message, auth=KEY)

    assert is_success(answer)
    assert len(stored(services)) == 1


@pytest.mark.parametrize("address", ["/v1/batch", "/v1/b", "/v1/batch/"])
def test_a_batch_is_taken_with_or_without_a_slash_and_never_redirected(
    client: TestClient, services: Services, address: str
):
    answer = client.post(address, json={"batch": [{"type": "page", **PAGE}]}, auth=KEY)

    assert is_success(answer)
    assert stored(services) == ["page.viewed"]


def test_workers_are_told_once_something_of_a_customer_is_stored(
    client: TestClient, services: Services
):
    assert isinstance(services.wake, Woken)

    client.post("/v1/page", json={"anonymousId": "x"}, auth=KEY)
    after_nobodys = services.wake.times
    client.post("/v1/page", json=PAGE, auth=KEY)

    assert (after_nobodys, services.wake.times) == (0, 1)


@pytest.mark.parametrize(
    "body",
    [
        {**PAGE, "writeKey": "wk_server"},
        {"batch": [{"type": "page", **PAGE}], "writeKey": "wk_server"},
        {"batch": [{"type": "page", **PAGE, "writeKey": "wk_server"}]},
    ],
)
def test_a_key_in_the_body_is_enough(client: TestClient, body: dict[str, Any]):
    kind = "batch" if "batch" in body else "page"

    assert is_success(client.post(f"/v1/{kind}", json=body))
    assert is_success(client.post(f"/v1/{kind}", json=body, headers={"Authorization": "Bearer x"}))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic d2tfdW5rbm93bjo="},  # wk_unknown:
        {"Authorization": "Basic %%%"},
        {"Authorization": "Bearer wk_server"},
    ],
)
def test_without_a_known_key_nothing_is_stored(
    client: TestClient, services: Services, headers: dict[str, str]
):
    answer = client.post("/v1/page", json=PAGE, headers=headers)

    assert answer.status_code == 401
    assert stored(services) == []


def test_credentials_may_lack_their_colon():
    assert read_basic("Basic d2tfc2VydmVy") == ("wk_server", "")
    assert read_basic("basic d2tfc2VydmVyOg==") == ("wk_server", "")


def test_a_revoked_key_is_out_within_seconds(
    client: TestClient, app: Starlette, services: Services
):
    client.post("/v1/page", json=PAGE, auth=KEY)
    with services.store.begin() as tx:
        revoke_key(tx, 1, NOW)

    app.state.shared[KeyRing].kept.clear()  # as if `REMEMBERED` had passed
    answer = client.post("/v1/page", json=PAGE, auth=KEY)

    assert answer.status_code == 401
    assert REMEMBERED < 10


def test_a_browsers_key_is_believed_less(client: TestClient, services: Services):
    told = {**PAGE, "traits": {"email": "ana@example.com"}}
    client.post("/v1/identify", json=told, auth=KEY)

    client.post("/v1/i", json={**PAGE, "traits": {"email": "thief@example.com"}}, auth=BROWSER_KEY)

    with services.store.read() as connection:
        assert list(connection.scalars(select(traits.c.value))) == ["ana@example.com"]


def test_one_bad_message_is_noted_and_the_rest_kept(client: TestClient, services: Services):
    batch = [{"type": "page", **PAGE}, {"type": "track", **PAGE}, {"type": "screen", **PAGE}]

    answer = client.post("/v1/batch", json={"batch": batch}, auth=KEY)

    assert answer.json() == {
        "success": True,
        "rejected": [{"reason": "a track message has no event", "type": "track"}],
    }
    assert stored(services) == ["page.viewed", "screen.viewed"]
    assert reasons(services) == ["a track message has no event"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[]", "JSON object"),
        (b"", "not JSON"),
        (b'{"userId": NaN}', "NaN"),
        (b"[" * 50_000, "nested"),
        (gzip.compress(b"{}", mtime=0)[:-4], "ends early"),
        (b"\x1f\x8b no gzip", "not gzip"),
    ],
)
def test_a_body_that_cannot_be_used_is_refused_as_a_whole(
    client: TestClient, services: Services, body: bytes, sentence: str
):
    answer = client.post("/v1/page", content=body, auth=KEY)

    assert answer.status_code == 400
    assert sentence in answer.json()["message"]
    assert stored(services) == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b" " * (MOST_BODY_BYTES + 1), "larger than"),
        (gzip.compress(b" " * (MOST_BODY_BYTES + 1), mtime=0), "larger than"),
        (gzip.compress(b"[" + b"[]," * 1_390_000 + b"[]]", mtime=0), "more than 400000 values"),
    ],
)
def test_a_body_that_holds_too_much_is_refused_as_a_whole(
    client: TestClient, services: Services, body: bytes, sentence: str
):
    answer = client.post("/v1/page", content=body, auth=KEY)

    assert answer.status_code == 413
    assert sentence in answer.json()["message"]
    assert stored(services) == []


@pytest.mark.parametrize("label", ["text/plain", "application/json; charset=latin-1", ""])
def test_a_body_is_read_by_what_it_holds_and_not_by_its_label(client: TestClient, label: str):
    answer = client.post(
        "/v1/p", content=json.dumps(PAGE), auth=KEY, headers={"Content-Type": label}
    )

    assert is_success(answer)


@pytest.mark.parametrize("encoding", [{"Content-Encoding": "gzip"}, {}])
def test_a_packed_body_is_unpacked_whatever_its_label(
    client: TestClient, services: Services, encoding: dict[str, str]
):
    packed = gzip.compress(json.dumps(PAGE).encode())

    assert is_success(client.post("/v1/page", content=packed, auth=KEY, headers=encoding))
    assert stored(services) == ["page.viewed"]


def test_a_browser_is_told_which_headers_it_may_send(client: TestClient):
    answer = client.options(
        "/v1/t",
        headers={
            "Origin": "https://shop.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,x-retry-count",
        },
    )

    allowed = answer.headers["access-control-allow-headers"]
    assert answer.status_code == 200
    assert allowed == "authorization, content-type, x-retry-count"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_any_other_method_is_not_allowed(client: TestClient, method: str):
    assert client.request(method, "/v1/track").status_code == 405


def test_an_unknown_call_is_not_found(client: TestClient):
    assert client.post("/v1/dance", json=PAGE, auth=KEY).status_code == 404


def test_analytics_js_finds_its_settings_at_our_address(client: TestClient):
    answer = client.get("/v1/projects/wk_browser/settings")

    assert answer.json()["integrations"]["Segment.io"] == {
        "apiKey": "wk_browser",
        "apiHost": "127.0.0.1:8000/v1",
        "protocol": "http",
    }


def test_what_the_database_cannot_take_is_asked_for_again(
    client: TestClient, services: Services, sqlite_url: str
):
    client.post("/v1/page", json=PAGE, auth=KEY)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as database:
        database.execute("DROP TABLE events")
    database.close()

    answer = client.post("/v1/page", json=PAGE, auth=KEY)

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["access-control-allow-origin"] == "*"
