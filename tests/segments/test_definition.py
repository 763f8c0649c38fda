"""The form of rules: what may be written, and what is said about what may not."""

from typing import Any

import pytest
from pydantic import ValidationError

from segments.conditions.event import Event
from segments.definition import Segment, parse_condition, walk

DRIFTING = {
    "all": [
        {"event": "order.completed", "at_least": 2, "within": "365 days"},
        {"drift": "drifting"},
        {
            "not": {
                "event": "ticket.opened",
                "without_later": ["ticket.solved", "ticket.closed"],
                "same": "ticket_id",
            }
        },
    ]
}


def complaints(written: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        parse_condition(written)
    return [error["msg"].removeprefix("Value error, ") for error in caught.value.errors()]


def test_a_rule_is_read_and_its_parts_know_their_places():
    segment = Segment.model_validate({"segment": "drifting_regulars", "match": DRIFTING})

    places = {condition.kind: place for place, condition in walk(segment.match)}

    assert places == {
        "all": (),
        "drift": ("all", 1),
        "not": ("all", 2),
        "event": ("all", 2, "not"),
    }


def test_names_of_events_are_read_without_regard_to_case():
    condition = parse_condition({"event": ["Order.Completed", "TICKET.*"]})

    assert isinstance(condition, Event)
    assert condition.event == ("order.completed", "ticket.*")


def test_equal_conditions_are_one_key():
    one = parse_condition({"event": "a.b", "where": {"x": 1, "y": 2}})
    other = parse_condition({"event": "a.b", "where": {"y": 2, "x": 1}})

    assert len({one, other}) == 1


def test_a_misspelt_kind_gives_one_error_with_a_hint():
    (complaint,) = complaints({"evnt": "order.completed"})

    assert complaint.endswith("Did you mean 'event'?")


def test_a_misspelt_qualifier_gives_one_error_at_its_key():
    with pytest.raises(ValidationError) as caught:
        parse_condition({"all": [{"event": "a.b", "at_leest": 2}]})

    (error,) = caught.value.errors()

    assert error["type"] == "extra_forbidden"
    assert [part for part in error["loc"] if not str(part).startswith("(")] == [
        "all",
        0,
        "at_leest",
    ]


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        (5, "a condition is a mapping"),
        ({"event": "a.b", "trait": "x"}, "a condition asks one thing"),
        ({"rfm": {}}, "at least one of recency"),
        ({"rfm": {"recency": "6"}}, "fifths are written 4..5"),
        ({"rfm": {"recency": "5..4"}}, "nothing lies between"),
        ({"trait": "a", "at_least": 5, "at_most": 2}, "no number between them"),
        ({"trait": "a", "more_than": 5, "less_than": 5}, "no number between them"),
        ({"trait": "a", "at_least": 5, "starts_with": "5"}, "of different types"),
        ({"trait": "a", "is": 5, "before": "today"}, "of different types"),
        ({"trait": "a", "in": [1, "a"], "contains": True}, "of different types"),
        ({"trait": "a", "exists": False, "is": 5}, "'exists: false' for none"),
        ({"trait": "a", "in_last": "7 days", "in_next": "7 days"}, "both ahead and past"),
        ({"trait": "a", "after": "2026-03-02", "before": "2026-03-01"}, "no date between"),
        ({"event": "a.b", "at_least": 5, "at_most": 2}, "no number between them"),
        ({"event": "a.b", "between": [1, 2], "exactly": 3}, "no number between them"),
        ({"event": "a.b", "distinct": "x", "less_than": 0}, "never less than none"),
        (
            {"event": "a.b", "since": "2026-03-02T10:00:00Z", "until": "2026-03-02T09:00:00Z"},
            "lies before",
        ),
        ({"answer": "csat", "at_least": 4, "at_most": 2}, "no number between them"),
        ({"drift": "lost", "risk": {"at_least": 0.9, "at_most": 0.1}}, "no number between them"),
        (
            {
                "sequence": [{"event": "a.b", "within": "1 day"}],
                "then_not": {"event": "c.d", "within": "1 day"},
            },
            "longer ago than",
        ),
        ({"sequence": [{"event": "a.b"}]}, "needs two steps"),
        ({"sequence": [{"event": "a.b"}, {"event": "any"}], "then_not": {}}, "required"),
        ({"trend": {"event": "a.b"}, "over": "7 days"}, "either falls_by or rises_by"),
        ({"trend": {}, "over": "7 days", "falls_by": "50%"}, "which events are meant"),
        ({"trend": {"event": "a.b"}, "over": "7 days", "falls_by": "150%"}, "at most 100%"),
        ({"trend": {"event": "a.b"}, "over": "7 days", "falls_by": 0.5}, "such as 50%"),
        ({"journey": "win_back", "status": []}, "the list is empty"),
        ({"journey": "win_back", "status": ["never", "goal"]}, "stands alone"),
        ({"all": []}, "at least one condition"),
        ({"any": {"event": "a.b"}}, "at least one condition"),
        ({"not": [{"event": "a.b"}]}, "exactly one condition"),
        ({"trait": "plan"}, "at least one operator"),
        ({"trait": "plan", "is": None}, "exists: false"),
        ({"trait": "plan", "is": ["a"]}, "for several use 'in'"),
        ({"trait": "plan", "in": []}, "the list is empty"),
        ({"trait": "age", "at_least": "5"}, "compares numbers"),
        ({"trait": "age", "at_least": True}, "compares numbers"),
        ({"trait": "renewal", "before": "tomorrow"}, "is not a date"),
        ({"channel": ["web", "app"]}, "channel takes one name"),
        ({"event": ["any", "a.b"]}, "leave the other names out"),
        ({"event": "a.b", "where": {"x": [1, 2]}}, "write {in: […]}"),
        ({"event": "a.b", "more_than": 2}, "not for counts"),
        ({"event": "a.b", "at_least": 1.5}, "a whole number"),
        ({"event": "a.b", "exactly": -1}, "a whole number"),
        ({"event": "a.b", "between": [3, 1]}, "nothing lies between"),
        ({"event": "a.b", "within": "1 month"}, "'month' has no fixed length"),
        ({"event": "a.b", "within": "0 days"}, "longer than nothing"),
        ({"event": "a.b", "within": "1 day", "older_than": "2 days"}, "nothing is both"),
        ({"event": "a.b", "since": "2026-03-02", "until": "2026-03-01"}, "lies before"),
        ({"event": "a.b", "sum_of": "total"}, "needs a comparison"),
        ({"event": "a.b", "sum_of": "x", "distinct": "y", "at_least": 1}, "only one of"),
        ({"event": "a.b", "first": {"within": "1 day"}, "at_least": 1}, "instead of counts"),
        ({"event": "a.b", "last": {}}, "within or older_than"),
        ({"event": "a.b", "without_later": ["c.d"]}, "need each other"),
        ({"message": "win_back/hello", "clicked": False}, "write not:"),
        ({"message": "any", "opened": True, "clicked": True}, "use all:"),
        ({"answer": "csat", "exists": False, "at_most": 2}, "has no score"),
        ({"drift": "lost", "risk": {}}, "needs a comparison"),
        ({"drift": "lost", "risk": {"at_least": 80}}, "between 0 and 1"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(written: Any, complaint: str):
    found = complaints(written)

    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    "written",
    [
        {"step": "ask_why", "outcome": "sent"},
        {"event": "a.b", "since": "start"},
        {"not": {"event": "a.b", "since": "ask_why"}},
        {"event": "segment.*"},
    ],
)
def test_what_only_a_journey_knows_cannot_stand_in_a_segment(written: dict[str, Any]):
    parse_condition(written)

    with pytest.raises(ValidationError):
        Segment.model_validate({"segment": "x", "match": written})
