"""Messages of the Segment spec, one by one and in batches."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.documents import parse_json
from adapters.tracking.segment import MOST_MESSAGES, Call, parse_batch, parse_message
from rekindle.errors import Malformed, TooLarge
from store.records import Actor, Identity, IncomingEvent, Trust

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STAMP = "2026-03-02T08:00:00Z"


def call(**known: Any) -> Call:
    return Call(received_at=NOW, **known)


def one(kind: str, call_: Call | None = None, **message: Any) -> IncomingEvent:
    events, rejects = parse_message(kind, {"userId": "ana", **message}, call_ or call())
    assert rejects == ()
    return events[0]


def why_not(**message: Any) -> str:
    events, rejects = parse_batch({"batch": [message]}, call())
    assert events == ()
    return rejects[0].reason


def test_a_track_becomes_an_event_and_keeps_its_name():
    event = one("track", event="Order Completed", properties={"total": 9.5}, messageId="m")

    assert (event.name, event.original_name) == ("order.completed", "Order Completed")
    assert (event.message_id, event.properties) == ("m", {"total": 9.5})


def test_what_an_agent_did_to_a_ticket_is_not_the_customers_act():
    by_agent = one("track", event="Ticket Replied", properties={"by": "agent"})
    by_customer = one("track", event="Ticket Updated", properties={"by": "customer"})

    assert (by_agent.actor, by_agent.properties) == (Actor.AGENT, {"by": "agent"})
    assert by_customer.actor is Actor.CUSTOMER


def test_pages_and_screens_have_names_of_their_own():
    page = one("page", name="Pricing", category="Docs", properties={"url": "/x"})
    screen = one("screen", name="Main")

    assert (page.name, page.properties) == (
        "page.viewed",
        {"name": "Pricing", "category": "Docs", "url": "/x"},
    )
    assert (screen.name, screen.properties) == ("screen.viewed", {"name": "Main"})


@pytest.mark.parametrize("place", [{"traits": {"a": 1}}, {"context": {"traits": {"a": 1}}}])
def test_traits_are_found_where_either_sdk_puts_them(place: dict[str, Any]):
    event = one("identify", **place)

    assert (event.name, event.traits) == ("customer.identified", {"a": 1})


def test_consents_are_told_from_traits():
    event = one(
        "identify", traits={"plan": "a", "consent": {"offers": True}, "consent.news": "denied"}
    )

    assert event.traits == {"plan": "a"}
    assert event.consents == {"offers": "granted", "news": "denied"}


def test_a_group_says_nothing_of_the_customers_own_traits():
    event = one("group", groupId="team-2", traits={"name": "Initech"})

    assert (event.name, event.traits) == ("customer.grouped", {})
    assert event.properties == {"groupId": "team-2", "traits": {"name": "Initech"}}


def test_an_alias_names_the_previous_id():
    event = one("alias", previousId="anon-1")

    assert (event.name, event.previous) == ("customer.aliased", Identity("external", "anon-1"))


def test_the_customers_own_id_comes_before_the_anonymous_one():
    event = one("page", anonymousId="x")

    assert event.identities == (Identity("external", "ana"), Identity("anonymous", "x"))


@pytest.mark.parametrize(("written", "id_"), [(42, "42"), (42.0, "42"), ("007", "007")])
def test_ids_are_text_and_numbers_are_their_digits(written: object, id_: str):
    assert one("page", userId=written).identities == (Identity("external", id_),)


def test_a_wrong_clock_is_corrected_by_when_the_sender_says_it_sent():
    event = one("page", timestamp="2020-01-01T00:00:00Z", sentAt="2020-01-01T00:00:30Z")

    assert event.occurred_at == NOW - timedelta(seconds=30)


def test_an_event_of_the_future_is_accepted_as_it_is():
    assert one("page", timestamp="2030-01-01T00:00:00Z").occurred_at.year == 2030


@pytest.mark.parametrize(
    "written",
    [STAMP, "2026-03-02T08:00:00", "2026-3-2 8:00:00", "2026-03-02T09:00+01:00", 1772438400],
)
def test_a_time_without_offset_is_utc_and_sloppy_ones_are_read(written: object):
    assert one("page", timestamp=written).occurred_at == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_without_a_timestamp_it_occurred_when_it_came():
    assert one("page").occurred_at == NOW


@pytest.mark.parametrize(
    ("message", "channel"),
    [
        ({"context": {"channel": "app"}}, "app"),
        ({"context": {"channel": "kiosk"}}, "kiosk"),
        ({"channel": "app"}, "app"),
        ({"channel": "server"}, None),
        ({}, None),
    ],
)
def test_the_channel_is_the_contexts_else_a_known_one_of_the_message(
    message: dict[str, Any], channel: str | None
):
    assert one("page", call(channels=frozenset({"app", "web"})), **message).channel == channel


def test_what_a_batch_says_holds_for_each_message():
    batch = {
        "batch": [{"type": "page", "userId": "ana", "timestamp": STAMP, "context": {"ip": "::1"}}],
        "context": {"channel": "app"},
        "sentAt": "2026-03-02T08:59:00Z",
    }

    events, _ = parse_batch(batch, call())

    assert events[0].channel == "app"
    assert events[0].occurred_at == NOW - timedelta(minutes=59)


def test_one_bad_message_never_spoils_its_batch():
    batch = [
        {"type": "page", "userId": "ana"},
        {"type": "page"},
        "no message",
        {"type": "track", "userId": "ana"},
        {"type": "dance", "userId": "ana"},
        {"type": "page", "userId": "bo"},
    ]

    events, rejects = parse_batch({"batch": batch}, call())

    assert [event.identities[0].value for event in events] == ["ana", "bo"]
    assert len(rejects) == 4


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"type": "page"}, "neither userId nor anonymousId"),
        ({"userId": "a"}, "no type"),
        ({"type": "track", "userId": "a", "event": "?!"}, "no name"),
        ({"type": "group", "userId": "a"}, "groupId"),
        ({"type": "alias", "userId": "a"}, "previousId"),
        ({"type": "page", "userId": "a", "timestamp": "soon"}, "timestamp"),
        ({"type": "page", "userId": "a" * 600}, "longer"),
        ({"type": "page", "userId": {"a": 1}}, "neither text nor a number"),
        ({"type": "page", "userId": "a", "properties": [1]}, "not an object"),
        ({"type": "page", "userId": "a", "properties": {"a": "x" * 33_000}}, "larger"),
        ({"type": "identify", "userId": "a", "traits": {"consent.a": "perhaps"}}, "granted"),
    ],
)
def test_a_refused_message_is_told_why(message: dict[str, Any], reason: str):
    assert reason in why_not(**message)


def test_a_reject_holds_enough_to_find_the_message_and_no_personal_data():
    message = {"type": "track", "messageId": "m", "userId": "ana", "properties": {"email": "a@b"}}

    _, rejects = parse_batch({"batch": [message]}, call())

    assert rejects[0].item == {"type": "track", "messageId": "m"}


def test_a_batch_is_taken_whole_or_not_at_all():
    batch = [{"type": "page", "userId": str(n)} for n in range(MOST_MESSAGES + 1)]

    events, rejects = parse_batch({"batch": batch[:-1]}, call())

    assert (len(events), rejects) == (MOST_MESSAGES, ())
    with pytest.raises(TooLarge, match="in parts"):
        parse_batch({"batch": batch}, call())


@pytest.mark.parametrize("document", [[], "x", None, {"batch": {}}, {}])
def test_a_body_that_is_no_batch_is_refused_as_a_whole(document: object):
    with pytest.raises(Malformed, match="batch"):
        parse_batch(document, call())


def test_equal_messages_without_an_id_are_events_of_their_own_and_the_same_when_sent_again():
    batch = {"batch": [{"type": "page", "userId": "a", "timestamp": STAMP}] * 2}

    first, _ = parse_batch(batch, call())
    again, _ = parse_batch({**batch, "sentAt": "2026-03-02T09:00:00Z"}, call())

    assert len({event.message_id for event in first}) == 2
    assert [event.message_id for event in first] == [event.message_id for event in again]


def test_without_id_and_time_every_call_is_an_event_of_its_own():
    message = {"userId": "ana"}

    first = parse_message("page", message, call())[0][0]
    later = parse_message("page", message, Call(received_at=NOW + timedelta(seconds=1)))[0][0]

    assert first.message_id != later.message_id


def test_history_keeps_its_times_and_needs_them():
    past = call(is_history=True, trust=Trust.FILE)
    event = one("page", past, timestamp=STAMP, sentAt="2020-01-01T00:00:00Z")

    _, rejects = parse_message("page", {"userId": "ana"}, past)

    assert event.occurred_at == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert event.is_known_since_occurred
    assert "timestamp" in rejects[0].reason


def test_every_documented_example_is_understood(shared: Path):
    examples = json.loads((shared / "fixtures/segment/docs-http-api-examples.json").read_text())

    for address, messages in examples.items():
        for message in messages:
            kind = address.rpartition("/")[2]
            parsed = (
                parse_batch(message, call())
                if kind == "batch"
                else parse_message(kind, message, call())
            )
            assert parsed[0]
            assert parsed[1] == ()


def test_nobody_may_take_the_ids_of_our_own_events():
    assert "our own events" in why_not(type="page", userId="a", messageId="rekindle:message:1:sent")


@pytest.mark.parametrize("character", [r"\u0000", r"\ud800"])
@pytest.mark.parametrize(
    "message",
    [
        '{"type": "track", "event": "Seen", "userId": "ana?"}',
        '{"type": "track", "event": "Seen", "anonymousId": "?ana"}',
        '{"type": "track", "event": "Seen?", "userId": "ana"}',
        '{"type": "track", "event": "Seen", "userId": "ana", "messageId": "m?"}',
        '{"type": "track", "event": "Seen", "user?Id": "bo", "userId": "ana"}',
        '{"type": "identify", "userId": "ana", "traits": {"email": "ana?@example.com"}}',
        '{"type": "identify", "userId": "ana", "traits": {"em?ail": "bo@example.com"}}',
        '{"type": "alias", "userId": "ana", "previousId": "?bo"}',
        '{"type": "group", "userId": "ana", "groupId": "?"}',
    ],
)
def test_an_id_or_a_name_that_cannot_be_stored_is_refused_never_rewritten(
    message: str, character: str
):
    good = '{"type": "track", "event": "Seen", "userId": "carl", "properties": {"a": "b?"}}'
    batch = f'{{"batch": [{message}, {good}]}}'.replace("?", character)

    events, rejects = parse_batch(parse_json(batch.encode()), call())

    assert [event.identities for event in events] == [(Identity("external", "carl"),)]
    assert "cannot be stored" in rejects[0].reason
