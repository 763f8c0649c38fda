"""CloudEvents in their three modes become our events."""

import pytest

from adapters.tracking.cloudevents import BATCHED, STRUCTURED, parse_cloud_events
from adapters.tracking.segment import Call, Parsed
from rekindle.errors import Malformed
from store.records import Actor
from tests.conftest import MONDAY

ORDER = {
    "specversion": "1.0",
    "id": "A-1",
    "source": "/shop",
    "type": "org.rekindle.order.completed",
    "subject": "u1",
    "time": "2026-03-01T10:00:00Z",
    "data": {"total": 12.5},
}


def structured(**changed: object) -> Parsed:
    return parse_cloud_events(f"{STRUCTURED}; charset=utf-8", {}, ORDER | changed, Call(MONDAY))


def test_a_structured_event_is_an_event_of_its_subject():
    (event,), rejects = structured()

    assert rejects == ()
    assert (event.name, event.properties) == ("order.completed", {"total": 12.5})
    assert [(one.kind, one.value) for one in event.identities] == [("external", "u1")]
    assert event.occurred_at.isoformat() == "2026-03-01T10:00:00+00:00"


def test_binary_mode_says_the_same_with_headers():
    headers = {f"ce-{name}": str(value) for name, value in ORDER.items() if name != "data"}

    parsed = parse_cloud_events("application/json", headers, ORDER["data"], Call(MONDAY))

    assert parsed == structured()


def test_what_an_agent_did_to_a_ticket_is_not_the_customers_act():
    (event,), _ = structured(type="org.rekindle.ticket.replied", data={"by": "agent"})

    assert (event.actor, event.properties) == (Actor.AGENT, {"by": "agent"})


def test_source_and_id_together_make_the_event_the_same_one():
    (first,), _ = structured()
    (again,), _ = structured(data={"total": 99})
    (elsewhere,), _ = structured(source="/app")

    assert first.message_id == again.message_id
    assert first.message_id != elsewhere.message_id


def test_one_bad_event_of_a_batch_is_named_and_the_others_taken():
    batch = [ORDER, {**ORDER, "id": "A-2", "subject": None}, {**ORDER, "id": "A-3", "time": "soon"}]

    events, rejects = parse_cloud_events(BATCHED, {}, batch, Call(MONDAY))

    assert len(events) == 1
    assert [one.item["id"] for one in rejects] == ["A-2", "A-3"]
    assert rejects[0].reason == "the CloudEvent has no subject"


def test_an_event_without_time_happened_when_it_came():
    (event,), _ = structured(time=None)

    assert event.occurred_at == MONDAY


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": None}, "no id"),
        ({"data": [1]}, "data is not an object"),
        ({"type": "…"}, "no name for an event"),
    ],
)
def test_what_is_no_cloud_event_is_said_in_words(changed, reason):
    events, rejects = structured(**changed)

    assert events == ()
    assert reason in rejects[0].reason


def test_a_plain_body_without_attributes_is_refused():
    with pytest.raises(Malformed, match="no CloudEvent"):
        parse_cloud_events("application/json", {"host": "x"}, {"total": 1}, Call(MONDAY))
