"""What a mail may speak of: what started its enrollment, what was answered, what its reader did."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, case, func, or_, select

from store.records import CustomerId, EnrollmentId
from store.session import sees_until
from store.tables import answers, enrollments, event_kinds, events

IDS: BindParameter[Any] = bindparam("ids", expanding=True)
START_EVENTS = (
    select(enrollments.c.id, event_kinds.c.name, events.c.occurred_at, events.c.properties)
    .join(events, events.c.id == enrollments.c.event_id)
    .join(event_kinds, event_kinds.c.id == events.c.kind_id)
    .where(enrollments.c.id.in_(IDS))
)
ANSWERS = (
    select(answers.c.enrollment_id, answers.c.survey, answers.c.score, answers.c.comment)
    .where(answers.c.enrollment_id.in_(IDS), answers.c.is_current, answers.c.is_counted)
    .order_by(answers.c.answered_at, answers.c.id)
)


@dataclass(frozen=True)
class StartEvent:
    """The event that started an enrollment."""

    name: str
    occurred_at: datetime
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Tally:
    """How often something happened to one customer, and when first and last."""

    count: int
    first_at: datetime
    last_at: datetime


def load_start_events(
    connection: Connection, ids: Collection[EnrollmentId]
) -> dict[EnrollmentId, StartEvent]:
    """The start events of those enrollments that have one."""
    return {
        EnrollmentId(row.id): StartEvent(row.name, row.occurred_at, row.properties)
        for row in connection.execute(START_EVENTS, {"ids": list(ids)})
    }


def load_enrollment_answers(
    connection: Connection, ids: Collection[EnrollmentId]
) -> dict[EnrollmentId, dict[str, tuple[int, str]]]:
    """For each enrollment the counting answer to each survey it asked: score and comment."""
    found: dict[EnrollmentId, dict[str, tuple[int, str]]] = {}
    for row in connection.execute(ANSWERS, {"ids": list(ids)}):
        found.setdefault(row.enrollment_id, {})[row.survey] = (row.score, row.comment)
    return found


def load_tallies(
    connection: Connection,
    ids: Collection[CustomerId],
    goals: Collection[str],
    at: datetime,
    *,
    known_by: datetime | None = None,
) -> dict[CustomerId, dict[str, Tally]]:
    """For each customer what is known of their `orders` (goal events), `tickets` and `visits`."""
    what = case(
        (_is_goal(goals), "orders"),
        (event_kinds.c.name == "ticket.opened", "tickets"),
        (event_kinds.c.name.in_(("page.viewed", "screen.viewed")), "visits"),
    )
    when = events.c.occurred_at
    query = (
        select(
            events.c.customer_id,
            what.label("what"),
            func.count().label("count"),
            func.min(when, type_=when.type).label("first_at"),
            func.max(when, type_=when.type).label("last_at"),
        )
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .where(
            events.c.customer_id.in_(ids),
            events.c.known_at <= (known_by or sees_until(connection, at)),
        )
        .where(or_(when <= at, when <= events.c.known_at), what.is_not(None))
        .group_by(events.c.customer_id, what)
    )
    found: dict[CustomerId, dict[str, Tally]] = {}
    for row in connection.execute(query):
        tally = Tally(row[2], row.first_at, row.last_at)
        found.setdefault(row.customer_id, {})[row.what] = tally
    return found


def _is_goal(goals: Collection[str]) -> ColumnElement[bool]:
    patterns = [goal.lower().replace("_", r"\_").replace("*", "%") for goal in goals]
    return or_(*[event_kinds.c.name.like(pattern, escape="\\") for pattern in patterns])
