"""What nothing would ever look at again, and what should have been looked at long ago."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    exists,
    func,
    select,
    update,
)

from store.records import EnrollmentId
from store.steps import STEP
from store.tables import (
    calendars,
    customers,
    effects,
    enrollments,
    memberships,
    messages,
    positions,
)

UNDER_WAY = ("queued", "held", "sending")
Ids = tuple[int, ...]


@dataclass(frozen=True)
class Stuck:
    """Ids of rows that wait for nothing: neither for an instant nor for anything to happen."""

    homeless: Ids = ()  # active enrollments that stand nowhere
    idle: Ids = ()  # enrollments that nothing would ever wake
    orphans: Ids = ()  # places of enrollments that are over
    mails: Ids = ()  # queued or held, and never due
    effects: Ids = ()  # to be done, and never due

    @property
    def is_any(self) -> bool:
        return any((self.homeless, self.idle, self.orphans, self.mails, self.effects))


@dataclass(frozen=True)
class Overdue:
    """How much is due since before an instant."""

    checks: int
    positions: int
    mails: int
    effects: int
    calendars: int


@dataclass(frozen=True)
class Failed:
    """Of whom a notice or webhook was given up."""

    customer: str  # external id; empty once erased
    journey: str
    step: str


def find_stuck(connection: Connection, paused: tuple[str, ...] = ()) -> Stuck:
    """Everybody and everything that is stuck; who stands in a paused journey is not."""

    def ids(query: Select[tuple[int]]) -> Ids:
        return tuple(connection.scalars(query))

    own = enrollments.c
    stands = exists().where(positions.c.enrollment_id == own.id)
    is_over = exists().where(own.id == positions.c.enrollment_id, own.ended_at.is_(None))
    active = select(positions.c.enrollment_id).join(
        enrollments, own.id == positions.c.enrollment_id
    )
    return Stuck(
        homeless=ids(select(own.id).where(own.ended_at.is_(None), ~stands)),
        idle=ids(
            active.where(
                own.ended_at.is_(None),
                positions.c.due_at.is_(None),
                own.journey.not_in(paused),
                ~_has_mail_under_way(),
            )
        ),
        orphans=ids(select(positions.c.enrollment_id).where(~is_over)),
        mails=ids(
            select(messages.c.id).where(
                messages.c.status.in_(("queued", "held")),
                messages.c.due_at.is_(None),
                messages.c.claimed_by.is_(None),
            )
        ),
        effects=ids(
            select(effects.c.id).where(effects.c.status == "due", effects.c.due_at.is_(None))
        ),
    )


def _has_mail_under_way() -> ColumnElement[bool]:
    """A mail of this very step and visit that will wake its enrollment."""
    return exists().where(
        and_(
            messages.c.enrollment_id == positions.c.enrollment_id,
            messages.c.step == STEP,
            messages.c.visit == positions.c.visit,
            messages.c.status.in_(UNDER_WAY),
        )
    )


def free_stuck(tx: Connection, stuck: Stuck, now: datetime) -> list[EnrollmentId]:
    """Have everything that is stuck looked at now; those who stand nowhere are the answer."""
    table = positions.c
    idle = update(positions).where(table.enrollment_id.in_(stuck.idle))
    tx.execute(idle.values(due_at=now, enqueued_until=None))
    tx.execute(delete(positions).where(table.enrollment_id.in_(stuck.orphans)))
    mails = update(messages).where(messages.c.id.in_(stuck.mails))
    tx.execute(mails.values(due_at=now, enqueued_until=None))
    tx.execute(update(effects).where(effects.c.id.in_(stuck.effects)).values(due_at=now))
    return [EnrollmentId(id_) for id_ in stuck.homeless]


def count_overdue(connection: Connection, before: datetime) -> Overdue:
    """What was due before then and has not been dealt with."""

    def count(column: ColumnElement[datetime], *more: ColumnElement[bool]) -> int:
        query = select(func.count()).where(column < before, *more)
        return connection.scalar(query) or 0

    return Overdue(
        checks=count(memberships.c.next_check_at),
        positions=count(positions.c.due_at),
        mails=count(messages.c.due_at, messages.c.claimed_by.is_(None)),
        effects=count(effects.c.due_at),
        calendars=count(calendars.c.due_at),
    )


def find_failed_effects(connection: Connection) -> list[Failed]:
    """Notices and webhooks that were given up, the latest first."""
    query = (
        select(customers.c.external_id, enrollments.c.journey, effects.c.step)
        .join_from(effects, enrollments, enrollments.c.id == effects.c.enrollment_id)
        .outerjoin(customers, customers.c.id == enrollments.c.customer_id)
        .where(effects.c.status == "failed")
        .order_by(effects.c.id.desc())
    )
    return [Failed(row[0] or "", row[1], row[2]) for row in connection.execute(query)]
