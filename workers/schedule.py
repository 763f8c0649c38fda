"""Finds what has become due and passes it on; works everything off in one process where that is
asked for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ScalarSelect,
    bindparam,
    exists,
    select,
)

from rekindle.services import Services
from store import enrollments as enrollment_rows
from store import messages as message_rows
from store.bulk import read_rows
from store.tables import calendars, effects, memberships, messages, pending_changes, positions
from workers.advance import advance_due
from workers.calendars import keep_calendars, run_calendars
from workers.changes import follow_versions, outdated_journeys
from workers.channels import ChannelPool
from workers.counts import Counts
from workers.deliver import deliver_due
from workers.effects import do_effects
from workers.evaluate import evaluate_changes, evaluate_due
from workers.passes import Report, evaluate_everybody, find_due, unheard
from workers.retake import retake_claims
from workers.unwritten import forget_failures
from workers.watching import watch_segments

BROKER_HOLDS = timedelta(seconds=60)  # wall time after which a passed-on id is passed on again
BATCH = 500  # ids in one message to a broker
MOST_BATCHES = 20  # passed on in one sweep
ROUNDS_A_WAKE = 100  # then another wake has its turn: minutes at most, never the time limit


@dataclass(frozen=True)
class Due:
    """What there is to do at an instant: one look at six small indexes."""

    changes: bool = False
    checks: bool = False
    positions: bool = False
    messages: bool = False
    effects: bool = False
    calendars: bool = False

    @property
    def is_any(self) -> bool:
        return any(
            (
                self.changes,
                self.checks,
                self.positions,
                self.messages,
                self.effects,
                self.calendars,
            )
        )


def _earliest(column: Column[Any], *more: ColumnElement[bool]) -> ScalarSelect[Any]:
    query = select(column).where(column.is_not(None), *more).order_by(column).limit(1)
    return query.scalar_subquery()


NEXT = select(  # made once, as LOOK is
    _earliest(memberships.c.next_check_at),
    _earliest(positions.c.due_at),
    _earliest(messages.c.due_at, messages.c.claimed_by.is_(None)),
    _earliest(effects.c.due_at),
    _earliest(calendars.c.due_at),
)


def next_due_at(connection: Connection) -> datetime | None:
    """The earliest instant at which anything is due by time alone."""
    [found] = read_rows(connection, NEXT)
    return min((instant for instant in found if instant is not None), default=None)


def _is_due(column: Column[Any], *more: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(1).where(column <= bindparam("now"), *more))


# one statement, made once: it is asked before every round of work
LOOK = select(
    exists(select(pending_changes.c.id)).label("changes"),
    _is_due(memberships.c.next_check_at).label("checks"),
    _is_due(positions.c.due_at).label("positions"),
    _is_due(messages.c.due_at, messages.c.claimed_by.is_(None)).label("messages"),
    _is_due(effects.c.due_at).label("effects"),
    _is_due(calendars.c.due_at).label("calendars"),
)


def look(connection: Connection, now: datetime) -> Due:
    """Whether anything is due at `now`, without locking or changing anything."""
    [found] = read_rows(connection, LOOK, {"now": now})
    return Due(*map(bool, found))


def run_until_idle(services: Services, pool: ChannelPool, report: Report = unheard) -> Counts:
    """Work off everything due at the clock's now, in this thread, then stop.

    `report` is told how many customers evaluations for everybody have done, and of how many.
    """
    now = services.clock.now()
    total = retake_claims(services, pool, now) + evaluate_everybody(services, now, report)
    total += follow_versions(services, now)
    keep_calendars(services, now)
    forget_failures(services, now)
    while (due := _look(services, now)).is_any:
        total += _do(services, pool, due, now)
    return total


def work_off(services: Services, pool: ChannelPool) -> None:
    """What a worker does once it is woken: all that is due, at once and in this thread, however it
    came about; so that what an event sets off never waits for another wake.

    What other workers hold is left to them; they join when the sweep passes on what is due.
    """
    for _ in range(ROUNDS_A_WAKE):
        now = services.clock.now()
        due = _look(services, now)
        if not due.is_any or _do(services, pool, due, now) == Counts():
            return
    services.wake.changed()


def _look(services: Services, now: datetime) -> Due:
    with services.store.read() as connection:
        return look(connection, now)


def _do(services: Services, pool: ChannelPool, due: Due, now: datetime) -> Counts:
    counts = Counts()
    if due.changes:
        counts += evaluate_changes(services, now)
    if due.checks:
        counts += evaluate_due(services, now)
    if due.calendars:
        counts += run_calendars(services, now)
    if due.positions:
        counts += advance_due(services, now)
    if due.effects:
        counts += Counts(looked_at=do_effects(services, now))
    if due.messages:
        counts += deliver_due(services, pool, now)
    return counts


def sweep(services: Services, pool: ChannelPool, now: datetime) -> None:
    """Pass on whatever is due and held by no broker; run about once a second by the active
    scheduler.
    """
    retake_claims(services, pool, now)
    is_outdated = bool(outdated_journeys(services, services.library()))
    if is_outdated or find_due(services, now).is_any:
        services.wake.everybody()
    keep_calendars(services, now)
    due = _look(services, now)
    if due.changes or due.checks or due.calendars:
        services.wake.changed()
    if due.effects:
        services.wake.due("effects", ())
    pass_on(services, now, due)
    watch_segments(services, now)
    forget_failures(services, now)


def pass_on(services: Services, now: datetime, due: Due) -> None:
    """Hand due enrollments and messages to the workers, ids in batches."""
    for _ in range(MOST_BATCHES if due.positions or due.messages else 0):
        steps, mails = _take(services, now)
        if steps:
            services.wake.due("advance", steps)
        if mails:
            services.wake.due("deliver", mails)
        if len(steps) < BATCH and len(mails) < BATCH:
            return


def _take(services: Services, now: datetime) -> tuple[list[int], list[int]]:
    wall = services.clock.wall()
    with services.store.begin() as tx:
        return (
            enrollment_rows.find_due(tx, now, wall, wall + BROKER_HOLDS, BATCH),
            message_rows.find_due(tx, now, wall, wall + BROKER_HOLDS, BATCH),
        )
