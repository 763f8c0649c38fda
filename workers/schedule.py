"""Finds what has become due and passes it on to the lanes; works everything off in one process
where that is asked for.
"""

from collections.abc import Callable, Mapping
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

from rekindle.clock import seconds_running
from rekindle.lane import Lane
from rekindle.services import Services
from store import enrollments as enrollment_rows
from store import messages as message_rows
from store.bulk import read_rows
from store.holds import IS_ANY
from store.tables import (
    calendars,
    effects,
    memberships,
    messages,
    pending_changes,
    positions,
    provider_states,
)
from workers.advance import advance_due
from workers.calendars import keep_calendars, run_calendars
from workers.calls import CallLane, retake_effects
from workers.changes import follow_versions, outdated_journeys
from workers.channels import ChannelPool
from workers.copies import forget_copies
from workers.counts import Counts
from workers.deliver import deliver_due
from workers.evaluate import evaluate_changes, evaluate_due
from workers.parked import forget_parked
from workers.passes import Report, evaluate_everybody, find_due, unheard
from workers.retake import forget_changes, retake_claims
from workers.strangers import tell_of_strangers
from workers.unwritten import forget_failures
from workers.watching import forget_news, watch_clock, watch_segments, watch_work

BROKER_HOLDS = timedelta(seconds=60)  # wall time after which a passed-on id is passed on again
BATCH = 500  # ids in one message to a broker
MOST_BATCHES = 20  # passed on in one sweep
Beat = Callable[[], None]
ROUNDS_A_WAKE = 100  # then another wake has its turn
TURN_SECONDS = 60.0  # and after so long as well: slow batches never come to the actors' time limit


@dataclass(frozen=True)
class Due:
    """What there is to do at an instant: one look at a few small indexes."""

    changes: bool = False
    checks: bool = False
    positions: bool = False
    messages: bool = False
    webhooks: bool = False
    notices: bool = False
    calendars: bool = False

    @property
    def is_any(self) -> bool:
        return bool(self.lanes)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes that have something to do."""
        has_work: Mapping[Lane, bool] = {
            Lane.JOURNEYS: self.changes or self.checks or self.positions or self.calendars,
            Lane.EMAILS: self.messages,
            Lane.WEBHOOKS: self.webhooks,
            Lane.NOTICES: self.notices,
        }
        return tuple(lane for lane, has in has_work.items() if has)


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


# mails wait while their provider takes none
IS_PAUSED = exists(
    select(1).where(
        provider_states.c.provider == bindparam("provider"),
        provider_states.c.paused_until > bindparam("now"),
    )
)
# one statement, made once: it is asked before every round of work
LOOK = select(
    exists(select(pending_changes.c.id)).label("changes"),
    _is_due(memberships.c.next_check_at).label("checks"),
    _is_due(positions.c.due_at).label("positions"),
    _is_due(messages.c.due_at, messages.c.claimed_by.is_(None), ~IS_ANY, ~IS_PAUSED).label(
        "messages"
    ),
    _is_due(effects.c.due_at, effects.c.kind == "webhook", ~IS_ANY).label("webhooks"),
    _is_due(effects.c.due_at, effects.c.kind == "notify", ~IS_ANY).label("notices"),
    _is_due(calendars.c.due_at).label("calendars"),
)


def look(connection: Connection, now: datetime, provider: str = "") -> Due:
    """Whether anything is due at `now`, without locking or changing anything.

    `provider`: whose pauses hold mails up; without one nothing does.
    """
    [found] = read_rows(connection, LOOK, {"now": now, "provider": provider})
    return Due(*map(bool, found))


def run_until_idle(services: Services, pool: ChannelPool, report: Report = unheard) -> Counts:
    """Work off everything due at the clock's now, in this thread, then stop.

    `report` is told how many customers evaluations for everybody have done, and of how many.
    """
    now = services.clock.now()
    retake_effects(services, now)
    total = retake_claims(services, pool, now) + evaluate_everybody(services, now, report)
    total += follow_versions(services, now)
    keep_calendars(services, now)
    tell_of_strangers(services, now)
    forget_failures(services, now)
    while (due := _look(services, now := services.clock.now(), pool)).is_any:
        done = _do(services, pool, due, now)
        if done == Counts():  # others hold it, or the clock was set back meanwhile
            break
        total += done
    return total


def unheard_beat() -> None:
    """A beat that nobody listens to."""


def work_off(services: Services, beat: Beat = unheard_beat) -> None:
    """Do what is due in the journeys lane, at once and in this thread, however it came about, and
    wake the other lanes as soon as there is something for them: what an event sets off never waits
    for another wake, and nothing in here waits for anybody outside.

    What other workers hold is left to them; they join when the sweep passes on what is due. `beat`
    is called after each round that came to something.
    """
    until = seconds_running() + TURN_SECONDS
    for _ in range(ROUNDS_A_WAKE):
        now = services.clock.now()
        due = _look(services, now)
        _wake_others(services, due)
        if Lane.JOURNEYS not in due.lanes or _move(services, due, now) == Counts():
            return
        beat()
        if seconds_running() > until:
            break
    services.wake.changed()


def deliver_off(services: Services, pool: ChannelPool, beat: Beat = unheard_beat) -> None:
    """Send what is due; those who waited for it go on meanwhile in the journeys lane. `beat` is
    called after each batch of which something left.
    """
    until = seconds_running() + TURN_SECONDS
    for _ in range(ROUNDS_A_WAKE):
        now = services.clock.now()
        if not _look(services, now, pool).messages or deliver_due(services, pool, now) == Counts():
            return
        beat()
        services.wake.changed()
        if seconds_running() > until:
            break
    services.wake.has_work(Lane.EMAILS)


def _wake_others(services: Services, due: Due) -> None:
    for lane in due.lanes:
        if lane is not Lane.JOURNEYS:
            services.wake.has_work(lane)


def _look(services: Services, now: datetime, pool: ChannelPool | None = None) -> Due:
    with services.store.read() as connection:
        return look(connection, now, pool.adapter.name if pool else "")


def _do(services: Services, pool: ChannelPool, due: Due, now: datetime) -> Counts:
    counts = _move(services, due, now)
    if due.webhooks:
        counts += Counts(looked_at=CallLane(services, Lane.WEBHOOKS).run_until_idle(now))
    if due.notices:
        counts += Counts(looked_at=CallLane(services, Lane.NOTICES).run_until_idle(now))
    if due.messages:
        counts += deliver_due(services, pool, now)
    return counts


def _move(services: Services, due: Due, now: datetime) -> Counts:
    """Evaluate and advance: all of it in the database."""
    counts = Counts()
    if due.changes:
        counts += evaluate_changes(services)
    if due.checks:
        counts += evaluate_due(services)
    if due.calendars:
        counts += run_calendars(services)
    if due.positions:
        counts += advance_due(services)
    return counts


def sweep(services: Services, pool: ChannelPool, now: datetime) -> None:
    """Pass on whatever is due and held by no broker; run about once a second by the active
    scheduler.
    """
    retake_claims(services, pool, now, pool.timing.patience)
    retake_effects(services, now)
    with services.store.read() as connection:
        is_outdated = bool(outdated_journeys(connection, services.library(connection)))
    if is_outdated or find_due(services, now).is_any:
        services.wake.everybody()
    keep_calendars(services, now)
    tell_of_strangers(services, now)
    due = _look(services, now, pool)
    if due.changes or due.checks or due.calendars:
        services.wake.changed()
    for lane in due.lanes:
        if lane in (Lane.WEBHOOKS, Lane.NOTICES):
            services.wake.has_work(lane)
    pass_on(services, now, due)
    watch_segments(services, now)
    watch_clock(services, now)
    watch_work(services, now)
    forget_failures(services, now)
    forget_news(services, now)
    forget_changes(services)
    forget_copies(services, now)
    forget_parked(services, now)


def pass_on(services: Services, now: datetime, due: Due) -> None:
    """Hand due enrollments and messages to the workers, ids in batches."""
    for _ in range(MOST_BATCHES if due.positions or due.messages else 0):
        steps, mails = _take(services, now, due)
        if steps:
            services.wake.advance(steps)
        if mails:
            services.wake.deliver(mails)
        if len(steps) < BATCH and len(mails) < BATCH:
            return


def _take(services: Services, now: datetime, due: Due) -> tuple[list[int], list[int]]:
    wall = services.clock.wall()
    until = wall + BROKER_HOLDS
    with services.store.begin() as tx:
        return (
            enrollment_rows.find_due(tx, now, wall, until, BATCH),
            message_rows.find_due(tx, now, wall, until, BATCH) if due.messages else [],
        )
