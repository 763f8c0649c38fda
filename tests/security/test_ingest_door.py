"""`/v1/…`: what strangers, and whoever read a key in a page, can make the server do."""

import gzip
import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import func, select

from adapters.tracking.cloudevents import BATCHED
from adapters.tracking.segment import MOST_MESSAGES
from rekindle.errors import TooMuch
from store.session import Store
from store.tables import event_kinds, events, rejects
from tests.security.conftest import BROWSER_KEY, INBOUND_SECRET, SERVER_KEY
from tests.web.conftest import Site
from web import bodies, cloud_events, ingest
from web.bodies import MOST_LARGE, MOST_LARGE_OF_ONE, SMALL, LargeBodies
from web.new_kinds import MOST_NEW_KINDS, MOST_NEW_KINDS_OF_BROWSER, NewKinds

KEY = (SERVER_KEY, "")
BOMB = gzip.compress(b"[" + b"[]," * 1_390_000 + b"[]]", mtime=0)
LARGE = json.dumps({"batch": [{"type": "page", "userId": "ana", "name": "x" * 30_000}] * 3})
ADDRESSES = ["/v1/batch", "/v1/t", "/v1/events"]


def count_of(store: Store, table: Any) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """In which threads bodies are unpacked and parsed, in the order in which that is done."""
    found: list[str] = []

    def watch(module: Any, name: str) -> None:
        work: Callable[..., Any] = getattr(module, name)

        def watched(*values: Any) -> Any:
            found.append(threading.current_thread().name)
            return work(*values)

        monkeypatch.setattr(module, name, watched)

    watch(bodies, "unpack")
    for module, names in (
        (ingest, ("parse_json", "parse_batch", "parse_message")),
        (cloud_events, ("parse_json", "parse_cloud_events")),
    ):
        for name in names:
            watch(module, name)
    return found


STRANGE = {
    "bomb": BOMB,
    "large": LARGE.encode(),
    "unknown": b'{"writeKey": "wk_guess", "userId": "ana"}',
    "many": b'{"a": {"writeKey": "b", "c": {"writeKey": "d"}}, "writeKey": "e", '
    b'"f": {"writeKey": "wk_server"}}',
    "late": b" " * SMALL + b'{"writeKey": "wk_server", "userId": "ana"}',
    "packed": gzip.compress(b'{"writeKey": "wk_server", "userId": "ana"}'),
}


def test_nothing_is_unpacked_or_parsed_for_a_stranger(small_house: Site, threads: list[str]):
    answers = {
        (address, name): small_house.client.post(address, content=body).status_code
        for address in ADDRESSES
        for name, body in STRANGE.items()
    }

    assert answers == dict.fromkeys(answers, 401)
    assert threads == []


def test_a_known_key_in_a_property_lets_nobody_in(small_house: Site):
    body = {"userId": "ana", "properties": {"writeKey": SERVER_KEY}}

    answer = small_house.client.post("/v1/page", json=body)

    assert answer.status_code == 401
    assert count_of(small_house.services.store, events) == 0


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "page", "userId": "ana", "writeKey": "wk_\\u0073erver"}',
        b'{"batch": [{"type": "page", "userId": "ana"}, {"writeKey": "wk_server"}]}',
    ],
    ids=["escaped", "of the second message"],
)
def test_a_key_where_no_sdk_puts_it_lets_nobody_in_and_it_is_said_where_it_belongs(
    small_house: Site, body: bytes
):
    answer = small_house.client.post("/v1/batch", content=body)

    assert answer.status_code == 401
    assert "first message, without escapes" in answer.json()["message"]


@pytest.mark.parametrize("body", [LARGE.encode(), gzip.compress(LARGE.encode())])
def test_what_is_large_is_unpacked_and_parsed_apart(
    small_house: Site, threads: list[str], body: bytes
):
    for address in ADDRESSES:
        threads.clear()
        small_house.client.post(address, content=body, auth=KEY, headers={"content-type": BATCHED})

        parsed = [name for name in threads if name.startswith("parse")]
        assert len(parsed) >= 2
        # what is small as long as it is packed is unpacked no further than to see that
        assert len(threads) - len(parsed) <= (len(body) <= SMALL)


def test_a_sender_and_all_of_them_have_only_so_much_room():
    room, one = LargeBodies(), ExitStack()
    with ExitStack() as others:
        for _ in range(MOST_LARGE_OF_ONE):
            one.enter_context(room.hold("one"))
        with pytest.raises(TooMuch), room.hold("one"):
            pass
        for number in range(MOST_LARGE - MOST_LARGE_OF_ONE):
            others.enter_context(room.hold(f"other {number}"))
        with pytest.raises(TooMuch), room.hold("another"):
            pass

        one.close()
        with room.hold("another"):
            pass
    assert not room.held


def test_who_comes_when_there_is_no_room_is_told_when_to_come_again(small_house: Site):
    room = LargeBodies()
    small_house.client.app.state.shared[LargeBodies] = room  # type: ignore[attr-defined]
    with ExitStack() as held:
        for number in range(MOST_LARGE):
            held.enter_context(room.hold(str(number)))
        for address in ADDRESSES:
            large = small_house.client.post(address, content=LARGE, auth=KEY)
            assert (large.status_code, large.headers["retry-after"]) == (429, "2")
        small = small_house.client.post("/v1/page", json={"userId": "ana"}, auth=KEY)
    assert small.status_code == 200


def test_a_batch_with_a_bad_message_is_taken_whole_but_for_it(small_house: Site):
    count = 3_000
    good = [{"type": "page", "userId": f"u{n % 7}", "messageId": f"m{n}"} for n in range(count - 1)]
    batch = [*good[:2_400], {"type": "track", "userId": "u1"}, *good[2_400:]]

    first = small_house.client.post("/v1/batch", json={"batch": batch}, auth=KEY)
    again = small_house.client.post("/v1/batch", json={"batch": batch}, auth=KEY)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["rejected"] == [{"reason": "a track message has no event", "type": "track"}]
    assert count_of(small_house.services.store, events) == count - 1


def test_a_large_batch_is_taken_whole_on_each_database(house: Site):
    cloud = [
        {"specversion": "1.0", "id": str(n), "source": "/shop", "type": "seen", "subject": "ana"}
        for n in range(2_600)
    ]
    batch = [{"type": "page", "userId": f"u{n}", "messageId": f"m{n}"} for n in range(2_600)]

    answers = [
        house.client.post(
            "/v1/events", content=json.dumps(cloud), auth=KEY, headers={"content-type": BATCHED}
        ),
        house.client.post("/v1/batch", json={"batch": batch}, auth=KEY),
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert count_of(house.services.store, events) == 5_200


def test_a_batch_that_cannot_be_stored_whole_is_not_stored_in_part(
    small_house: Site, monkeypatch: pytest.MonkeyPatch
):
    from store.intake import record_events
    from web import collecting

    calls = iter([record_events])

    def fails_the_second_time(*values: Any, **named: Any) -> Any:
        if (work := next(calls, None)) is None:
            raise RuntimeError("as if the process had died")
        return work(*values, **named)

    monkeypatch.setattr(collecting, "record_events", fails_the_second_time)
    batch = [{"type": "page", "userId": f"u{n}"} for n in range(2_501)]
    with pytest.raises(RuntimeError):
        small_house.client.post("/v1/batch", json={"batch": batch}, auth=KEY)

    assert count_of(small_house.services.store, events) == 0


@pytest.mark.parametrize("address", ["/v1/batch", "/v1/events"])
def test_a_batch_beyond_the_bound_is_refused_in_words_and_leaves_nothing(
    small_house: Site, address: str
):
    batch: Any = [{"type": "page", "userId": "u"}] * (MOST_MESSAGES + 1)
    body = batch if address == "/v1/events" else {"batch": batch}

    answer = small_house.client.post(
        address, content=json.dumps(body), auth=KEY, headers={"content-type": BATCHED}
    )

    assert answer.status_code == 413
    assert "in parts" in answer.json()["message"]
    assert count_of(small_house.services.store, rejects) == 0


@pytest.mark.parametrize(
    ("key", "most"), [(SERVER_KEY, MOST_NEW_KINDS), (BROWSER_KEY, MOST_NEW_KINDS_OF_BROWSER)]
)
def test_a_key_may_bring_only_so_many_new_kinds_a_minute(house: Site, key: str, most: int):
    def send(begin: int, end: int) -> Any:
        batch = [
            {"type": "track", "event": f"Name {n} Seen", "userId": "ana", "messageId": f"{key}{n}"}
            for n in range(begin, end)
        ]
        return house.client.post("/v1/batch", json={"batch": batch}, auth=(key, ""))

    assert send(0, most - 10).status_code == 200
    assert send(most - 10, most).status_code == 200
    one_more = send(most, most + 1)
    assert (one_more.status_code, one_more.headers["retry-after"]) == (429, "60")
    assert "nothing was stored: 1 kinds" in one_more.json()["message"]
    assert send(0, most).status_code == 200  # what is known costs nothing
    assert count_of(house.services.store, event_kinds) == most


def test_a_batch_of_more_new_kinds_than_a_minutes_is_taken_whole_in_the_end(small_house: Site):
    count = 2 * MOST_NEW_KINDS_OF_BROWSER + 1
    batch = [{"type": "track", "event": f"Seen {n}", "userId": "ana"} for n in range(count)]
    kinds = small_house.client.app.state.shared[NewKinds] = NewKinds()  # type: ignore[attr-defined]

    def send() -> int:
        sent = small_house.client.post("/v1/batch", json={"batch": batch}, auth=(BROWSER_KEY, ""))
        return sent.status_code

    codes = []
    for _ in range(3):
        codes.append(send())
        assert count_of(small_house.services.store, events) == (count if codes[-1] == 200 else 0)
        kinds.limiter.storage.reset()  # as if a minute had passed

    assert codes == [429, 429, 200]


def test_a_new_channel_is_a_new_kind(small_house: Site):
    def send(number: int) -> int:
        told = {"event": "Seen", "userId": "ana", "context": {"channel": f"c{number}"}}
        return small_house.client.post("/v1/track", json=told, auth=(BROWSER_KEY, "")).status_code

    sent = [send(number) for number in range(MOST_NEW_KINDS_OF_BROWSER + 1)]

    assert sent == [200] * MOST_NEW_KINDS_OF_BROWSER + [429]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"event": "x" * 201, "userId": "ana"}, "no name for an event"),
        ({"event": "Seen", "userId": "a" * 513}, "longer than 512"),
        ({"event": "Seen", "userId": "ana", "properties": {"x": "y" * 33_000}}, "larger than"),
    ],
)
def test_names_ids_and_messages_have_their_bounds(
    small_house: Site, told: dict[str, Any], reason: str
):
    answer = small_house.client.post("/v1/track", json=told, auth=KEY)

    assert reason in answer.json()["rejected"][0]["reason"]


def test_a_cloud_event_has_its_bound_too(small_house: Site):
    told = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "seen"}
    data = {"x": "y" * 70_000}

    answer = small_house.client.post(
        "/v1/events", json=data, auth=KEY, headers={**told, "ce-subject": "ana"}
    )

    assert answer.status_code == 400
    assert "larger than 65536" in answer.json()["message"]


@pytest.mark.parametrize("body", [b"{", b"[" * 60_000, b"\xff", b"{}"])
def test_a_body_for_the_api_is_not_read_before_its_key(small_house: Site, body: bytes):
    for method, path in (("PUT", "/customers/ana"), ("POST", "/journeys/x/start")):
        answer = small_house.client.request(method, f"/api/v1{path}", content=body)
        assert (answer.status_code, "API key" in answer.json()["error"]) == (401, True)


@pytest.mark.parametrize("parts", [150, 5_000])
def test_returned_mail_in_too_many_parts_is_noted_and_not_asked_for_again(
    small_house: Site, parts: int
):
    part = b'--x\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nb\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x"}

    answer = small_house.client.post(
        "/hooks/sendgrid/inbound",
        content=part * parts + b"--x--\r\n",
        headers=headers,
        auth=("any", INBOUND_SECRET),
    )

    assert answer.status_code == 200
    assert count_of(small_house.services.store, rejects) == 1


@pytest.mark.parametrize("address", ["/v1/t", "/v1/events", "/hooks/sendgrid/inbound", "/api/v1/x"])
def test_credentials_of_any_bytes_let_nobody_in(small_house: Site, address: str):
    for said in (
        b"d2t\xffOg==",
        b"\xc3\xa9",
        b"=",
        b"d2tfc2VydmVy\xff",
        b"/////w==",
        b"a" * 60_000,
    ):
        for scheme in (b"Basic ", b"Bearer "):
            headers = {b"authorization": scheme + said}
            answer = small_house.client.post(address, content=b"{}", headers=headers)
            assert answer.status_code == 401, said
