"""What a play came to, and how the engine's picture compares with the truth that nobody told it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from rekindle.demo.shop import Shop
from store.tables import (
    answers,
    customers,
    delivery_events,
    drift_states,
    enrollments,
    messages,
)

STATES = ("active", "cooling", "drifting", "dormant", "lost")
QUIET = frozenset({"drifting", "dormant", "lost"})


@dataclass(frozen=True)
class JourneyLine:
    """One journey's figures; opens and clicks count mails, by people, not requests."""

    journey: str
    started: int
    held_out: int
    sent: int
    opened: int
    clicked: int
    answered: int


@dataclass(frozen=True)
class Summary:
    """`left` and `stayed`: drift state to number of customers, by the generator's truth."""

    customers: int
    events: int
    journeys: tuple[JourneyLine, ...]
    left: Mapping[str, int]
    stayed: Mapping[str, int]
    came_back: int

    @property
    def noticed(self) -> float:
        """The share of those who really left that the engine calls drifting or worse."""
        return _quiet_share(self.left)

    @property
    def false_alarms(self) -> float:
        """The share of those who are still there that it calls drifting or worse."""
        return _quiet_share(self.stayed)


def _quiet_share(states: Mapping[str, int]) -> float:
    total = sum(states.values())
    return sum(states[state] for state in QUIET) / total if total else 0.0


def summarize(connection: Connection, shop: Shop, events: int, now: datetime) -> Summary:
    """Ask the database what happened; `events` is how many were imported."""
    left, stayed = _by_truth(connection, shop, now)
    return Summary(
        customers=len(shop.people),
        events=events,
        journeys=tuple(_journeys(connection)),
        left={state: left[state] for state in STATES},
        stayed={state: stayed[state] for state in STATES},
        came_back=len(shop.back),
    )


def _journeys(connection: Connection) -> list[JourneyLine]:
    started = _count(connection, enrollments.c.is_held_out.is_(False))
    held_out = _count(connection, enrollments.c.is_held_out.is_(True))
    sent = _mails(connection, select(messages.c.id).where(messages.c.sent_at.is_not(None)))
    opened = _mails(connection, _acts("opened"))
    clicked = _mails(connection, _acts("clicked"))
    answered = _mails(connection, select(answers.c.message_id).where(answers.c.is_counted))
    return [
        JourneyLine(
            name,
            started[name],
            held_out[name],
            sent[name],
            opened[name],
            clicked[name],
            answered[name],
        )
        for name in sorted(started | held_out)
    ]


def _count(connection: Connection, condition: Any) -> Counter[str]:
    query = select(enrollments.c.journey, func.count()).where(condition)
    return _counter(connection.execute(query.group_by(enrollments.c.journey)).all())


def _mails(connection: Connection, wanted: Any) -> Counter[str]:
    query = (
        select(enrollments.c.journey, func.count())
        .join(messages, messages.c.enrollment_id == enrollments.c.id)
        .where(messages.c.id.in_(wanted))
        .group_by(enrollments.c.journey)
    )
    return _counter(connection.execute(query).all())


def _acts(kind: str) -> Any:
    return select(delivery_events.c.message_id).where(
        delivery_events.c.kind == kind, delivery_events.c.is_machine.is_(False)
    )


def _counter(rows: Sequence[Row[str, int]]) -> Counter[str]:
    return Counter({row[0]: row[1] for row in rows})


def _by_truth(
    connection: Connection, shop: Shop, now: datetime
) -> tuple[Counter[str], Counter[str]]:
    query = select(customers.c.external_id, drift_states).join(
        customers, customers.c.id == drift_states.c.customer_id
    )
    left: Counter[str] = Counter()
    stayed: Counter[str] = Counter()
    for row in connection.execute(query.where(drift_states.c.clock == "goal")):
        person = shop.people[row.external_id]
        (left if shop.has_left(person, now) else stayed)[_state(row, now)] += 1
    return left, stayed


def _state(row: Row[Any], now: datetime) -> str:
    crossings = (row.cooling_at, row.drifting_at, row.dormant_at, row.lost_at)
    return STATES[sum(at <= now for at in crossings)]
