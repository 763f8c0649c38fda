"""Journeys, enrollments and facts with defaults, so that a test shows only what matters to it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from journeys.advance import Decision, Facts, Outcome, Reply, Said, advance, is_held_out, questions
from journeys.chance import arm_of
from journeys.definition import Journey, Split
from journeys.graph import Graph, build_graph
from store.records import CustomerId, DefinitionId, Enrollment, EnrollmentId

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LONDON = ZoneInfo("Europe/London")

MAIL = {"send": "win_back/hello"}
LAST_MAIL = {"send": "win_back/last"}
ORDER = {"event": "order.completed"}


def a_journey(*steps: object, **keys: object) -> Journey:
    """A journey of one mail, or of `steps`."""
    written = {
        "journey": "win_back",
        "topic": "offers",
        "start": [{"event": "visit.missed"}],
        "steps": list(steps) or [MAIL],
        **keys,
    }
    return Journey.model_validate(written)


def a_graph(*steps: object, **keys: object) -> Graph:
    return build_graph(a_journey(*steps, **keys))


def enrolled(graph: Graph, at: str | None = None, **fields: Any) -> Enrollment:
    """An enrollment that started and arrived on Monday at the first step, or `at` another."""
    plain = Enrollment(
        id=EnrollmentId(1),
        journey=graph.journey.journey,
        version_id=DefinitionId(1),
        customer_id=CustomerId(7),
        key="",
        event_id=None,
        is_held_out=False,
        started_at=MONDAY,
        step=at if at is not None else graph.first,
        visit=1,
        arrived_at=MONDAY,
    )
    return plain._replace(**fields)


def look_at(
    graph: Graph,
    enrollment: Enrollment,
    now: datetime = MONDAY,
    *,
    true: tuple[str, ...] = (),
    changes: Mapping[str, datetime] | None = None,
    mail: Outcome | str | None = None,
    zone: ZoneInfo = LONDON,
    refused_surveys: Mapping[str, str] | None = None,
) -> Decision:
    """What is decided where only the questions in `true` hold.

    `changes` says when time will change the answer to a question.
    """
    at = changes or {}
    asked = [question.name for question in questions(graph, enrollment.step)]
    assert {*true, *at} <= {*asked}, f"the step asks only {asked}"
    replies = {name: Reply(name in true, at.get(name)) for name in asked}
    outcome = Outcome(mail) if isinstance(mail, str) else mail
    return advance(graph, enrollment, Facts(zone, replies, outcome, refused_surveys or {}), now)


def said_by(decision: Decision) -> Said:
    """What is kept of a decision that went on."""
    assert decision.said is not None
    return decision.said


def arm_at(graph: Graph, step: str, customer: int) -> str:
    """The arm of the split `step` that this customer takes."""
    split = graph.nodes[step].step
    assert isinstance(split, Split)
    return arm_of(split, CustomerId(customer), graph.journey.journey, step)


def held_out_share(graph: Graph, customers: int = 10_000) -> float:
    """The share of that many customers who are in the control group."""
    return sum(is_held_out(graph, CustomerId(id_)) for id_ in range(customers)) / customers
