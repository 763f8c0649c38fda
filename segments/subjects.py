"""Who is asked about: customers, enrollments or single events, each at an instant."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    Table,
    case,
    func,
    literal,
    select,
)

from segments.choosing import listed
from segments.instants import NEVER, Micros, instant, least, length, micros
from store.tables import customers, enrollments, events, positions

At = datetime | ColumnElement[Any]
# a parameter's value is given when the statement runs
Bound = int | BindParameter[Any]
Ids = Collection[int] | BindParameter[Any] | Select[Any]


class Scope(StrEnum):
    """Which events of an enrollment's customer are looked at."""

    HISTORY = "history"  # all, also before the enrollment
    SINCE_START = "since_start"  # after the event that started it, in event order
    SINCE_ARRIVAL = "since_arrival"  # from the arrival at the present step, and after the start


class Sort(StrEnum):
    """What a subject's id is the id of."""

    CUSTOMER = "customer"
    ENROLLMENT = "enrollment"
    EVENT = "event"


@dataclass(frozen=True)
class Window:
    """How long after its start, or after its arrival at the present step, one is asked about."""

    since: Literal["start", "arrival"]
    length: timedelta


BY_STEP = "start by "  # how the cause of an enrollment begins that a step of another one started


@dataclass(frozen=True)
class IdRange:
    """All customers from one id to another, both included, at one instant."""

    low: ColumnElement[int]
    high: ColumnElement[int]
    at: Micros

    def has(self, id_: ColumnElement[int]) -> ColumnElement[bool]:
        return id_.between(self.low, self.high)


@dataclass(frozen=True)
class Subjects:
    """A set of subjects as a statement: id, customer_id, at, and the scope of those not customers.

    `at` is one instant for all, or a column of the subjects' own table so that each has its own.
    Whatever is stored counts as known by `known_by`, though it bears a later instant: live work
    gives its now, and so sees all that is committed; a look back gives none.
    """

    sort: Sort
    select: Select[Any]
    range: IdRange | None = None  # of customers' ids, where they are one
    known_by: Micros = NEVER

    @classmethod
    def customers_between(cls, low: Bound, high: Bound, at: At, known_by: At = NEVER) -> Self:
        """Living customers known at `at`, with ids from `low` to `high`, both included."""
        theirs = IdRange(_whole(low), _whole(high), _micros(at))
        people = _customers(at, known_by).where(theirs.has(customers.c.id))
        return cls(Sort.CUSTOMER, people, theirs, _micros(known_by))

    @classmethod
    def customers_in(cls, ids: Ids, at: At, known_by: At = NEVER) -> Self:
        """Those of `ids` who are neither erased nor merged away, as far as known at `at`."""
        by = _micros(known_by)
        if not isinstance(ids, BindParameter):
            people = _customers(at, known_by).where(customers.c.id.in_(ids))
            return cls(Sort.CUSTOMER, people, known_by=by)
        each = listed(ids)  # named by the list itself: few of them need to be looked up
        named = each.join(customers, customers.c.id == each.c.value)
        people = _customers(at, known_by, each.c.value).select_from(named)
        return cls(Sort.CUSTOMER, people, known_by=by)

    @classmethod
    def enrollments_in(
        cls, ids: Ids, at: At, window: Window | None = None, known_by: At = NEVER
    ) -> Self:
        """Enrollments, active or ended, with where they started and where they stand.

        Each is asked about at `at`, but never past its `window`. One that another journey started
        has not heard the event that started that one as its own: it starts where it started.
        """
        is_started_by_step = enrollments.c.cause.like(f"{BY_STEP}%")
        is_start = (events.c.id == enrollments.c.event_id) & ~is_started_by_step
        started = func.coalesce(micros(events.c.occurred_at), micros(enrollments.c.started_at))
        statement = select(
            enrollments.c.id,
            enrollments.c.customer_id,
            _within(_micros(at), window).label("at"),
            started.label("started_at"),
            events.c.id.label("event_id"),
            enrollments.c.key,
            micros(positions.c.arrived_at).label("arrived_at"),
        )
        return cls(
            Sort.ENROLLMENT,
            _chosen(statement, enrollments, ids)
            .outerjoin(events, is_start)
            .outerjoin(positions, positions.c.enrollment_id == enrollments.c.id),
            known_by=_micros(known_by),
        )

    @classmethod
    def events_in(cls, ids: Ids, at: At, known_by: At = NEVER) -> Self:
        """Single events: an event condition asks about that very one."""
        statement = select(
            events.c.id,
            events.c.customer_id,
            _micros(at).label("at"),
            events.c.id.label("event_id"),
        )
        return cls(Sort.EVENT, _chosen(statement, events, ids), known_by=_micros(known_by))


def _customers(at: At, known_by: At, id_: ColumnElement[int] = customers.c.id) -> Select[Any]:
    alive = customers.c.merged_into.is_(None) & customers.c.erased_at.is_(None)
    now = _micros(at)
    columns: list[ColumnElement[Any]] = [
        id_.label("id"), id_.label("customer_id"), now.label("at")
    ]  # fmt: skip
    is_known = least(micros(customers.c.known_at), _micros(known_by)) <= now
    return select(*columns).where(alive, is_known)


def _chosen(statement: Select[Any], table: Table, ids: Ids) -> Select[Any]:
    """The rows of `table` with these ids."""
    if isinstance(ids, BindParameter):
        each = listed(ids)
        return statement.select_from(each.join(table, table.c.id == each.c.value))
    return statement.select_from(table).where(table.c.id.in_(ids))


def _within(at: Micros, window: Window | None) -> Micros:
    if window is None:
        return at
    begins = enrollments.c.started_at if window.since == "start" else positions.c.arrived_at
    over_at = micros(begins) + length(window.length)
    return case((over_at < at, over_at), else_=at)


def _whole(bound: Bound) -> ColumnElement[int]:
    return literal(bound, BigInteger) if isinstance(bound, int) else bound


def _micros(at: At) -> Micros:
    return instant(at) if isinstance(at, datetime) else micros(at)
