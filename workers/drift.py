"""Keeps everybody's drift up to date: wound by what happened, with what was learned of all."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from segments.days import DAY, day_begins, day_of, published_at
from segments.drift.fitting import LARGEST_SAMPLE, fit_priors
from segments.drift.log import EventDays
from segments.drift.priors import HORIZON_DAYS, Priors, default_priors, lapse_limit_of
from segments.drift.publishing import OTHER, risk_values
from segments.drift.recalibration import AS_IT_IS, Clock, Recalibration, recalibrate
from segments.drift.rhythms import IDS, ONE_IN, Asked
from segments.drift.winding import Winding, what_counts, winding_values
from segments.kinds import clock_kinds
from segments.lexicon import Lexicon
from store.drift import (
    CLOCKS,
    count_customers,
    has_returning,
    insert_priors,
    insert_recalibration,
    load_priors,
    load_recalibrations,
)
from store.session import Store
from store.tables import EPOCH, microseconds

FIRST_MONTH, WEEK = timedelta(days=30), timedelta(days=7)  # learned daily until then, weekly later
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class StoredPriors:
    """A version of what was learned of one clock."""

    id: int
    known_at: datetime
    priors: Priors
    recalibration: Recalibration = AS_IT_IS
    recalibrated_at: datetime | None = None


# --- what is kept of customers -------------------------------------------------------------------


def refresh_drift(
    tx: Connection,
    customer_ids: Collection[int] | None,
    now: datetime,
    lexicon: Lexicon,
    priors_by_clock: Mapping[str, StoredPriors],
) -> None:
    """Bring the states of these customers, or of everybody, to what is known of them at `now`.

    Only what happened since is read. Their risk stays that of the day.
    """
    named = {} if customer_ids is None else {IDS: list(customer_ids)}
    for clock, stored in priors_by_clock.items():
        statements = _winding(tx, lexicon, clock, is_of_all=customer_ids is None)
        values = winding_values(stored.id, stored.priors, now) | named
        tx.execute(statements.unwind, values)
        tx.execute(statements.cross, values)  # before a new day hides with what a row was made
        tx.execute(statements.wound, values)
        tx.execute(statements.forget, values)
    for clock, stored in priors_by_clock.items():
        helper = priors_by_clock.get(OTHER.get(clock, ""))
        values = risk_values(
            stored.priors,
            helper.priors if helper else stored.priors,
            stored.recalibration,
            published_at(now, lexicon.zone),
        )
        statements = _winding(tx, lexicon, clock, is_of_all=customer_ids is None)
        tx.execute(statements.publish, values | named)


def _winding(
    connection: Connection, lexicon: Lexicon, clock: str, *, is_of_all: bool = False
) -> Winding:
    """The statements, made once for each workspace."""
    dialect = connection.dialect.name
    key = ("winding", clock, dialect, is_of_all)
    if key not in lexicon.prepared:
        lexicon.prepared[key] = Winding(lexicon, clock, dialect, Asked(is_of_all))
    made = lexicon.prepared[key]
    assert isinstance(made, Winding)
    return made


@contextmanager
def as_of_now(
    store: Store,
    lexicon: Lexicon,
    now: datetime,
    clocks: Collection[str] = CLOCKS,
    customer_ids: Collection[int] | None = None,
) -> Iterator[Connection]:
    """A look at the database in which everybody's drift is that of `now`; nothing of it is kept.

    What workers keep is as of their last refresh, which may lie before `now` or after it. Other
    clocks than those asked for (and those that help them) stay as they are, and so do other
    customers than these, if any are named.
    """
    with store.begin() as tx:
        rehearsal = tx.begin_nested()
        publish_priors(tx, lexicon, now)
        wanted = {*clocks, *(OTHER[clock] for clock in clocks if clock in OTHER)}
        asked = {clock: one for clock, one in priors_at(tx, now).items() if clock in wanted}
        refresh_drift(tx, customer_ids, now, lexicon, asked)
        try:
            yield tx
        finally:
            rehearsal.rollback()


# --- what is learned of everybody ----------------------------------------------------------------


@dataclass(frozen=True)
class Learned:
    """What everybody's past teaches of one clock."""

    priors: Priors
    recalibration: Recalibration
    is_news: bool  # other than what is in force


def publish_priors(tx: Connection, lexicon: Lexicon, now: datetime) -> frozenset[str]:
    """`learn` if that is due, and keep what was learned."""
    is_due = are_priors_due(tx, lexicon, now)
    return keep_learned(tx, learn(tx, lexicon, now), now) if is_due else frozenset()


def learn(
    connection: Connection, lexicon: Lexicon, now: datetime, *, corrects: bool = True
) -> Mapping[str, Learned]:
    """What each clock's past teaches, and how far the risk was off; that only if it `corrects`.

    Takes seconds where there are millions of events: not for a transaction that others wait for.
    """
    in_force = {
        clock: one for clock, one in priors_at(connection, now).items() if one.known_at <= now
    }
    logs = {clock: sample_days(connection, lexicon, clock, now) for clock in CLOCKS}
    stored = {clock: one.priors for clock, one in in_force.items()}
    learned = {
        clock: _learn(connection, logs[clock], lexicon, clock, now, stored.get(clock))
        for clock in CLOCKS
    }
    return {
        clock: Learned(
            learned[clock],
            _correct(connection, lexicon, clock, logs, learned, now) if corrects else AS_IT_IS,
            is_news=learned[clock] != stored.get(clock),
        )
        for clock in CLOCKS
    }


def keep_learned(tx: Connection, learned: Mapping[str, Learned], now: datetime) -> frozenset[str]:
    """Store it as a version; the clocks on which everybody's states are outdated by it."""
    for clock, one in learned.items():
        insert_priors(tx, asdict(one.priors), now)
        insert_recalibration(tx, clock, asdict(one.recalibration), now)
    return frozenset(clock for clock, one in learned.items() if one.is_news)


def are_priors_due(connection: Connection, lexicon: Lexicon, now: datetime) -> bool:
    """Whether any clock's parameters were never learned, or too long ago, or by other rules.

    They are learned daily at first, then weekly.
    """
    in_force = priors_at(connection, now)
    return any(_is_due(connection, in_force.get(clock), clock, lexicon, now) for clock in CLOCKS)


def _is_due(
    connection: Connection, stored: StoredPriors | None, clock: str, lexicon: Lexicon, now: datetime
) -> bool:
    """Never learned, or old, or of a time when nobody had come twice and now somebody has."""
    counted = what_counts(lexicon, clock)
    if stored is None or stored.known_at > now or stored.priors.counted != counted:
        return True
    known = published_at(stored.known_at, lexicon.zone)
    passed = published_at(now, lexicon.zone) - known + HOUR  # the clocks may have been changed
    if passed >= WEEK or (passed >= DAY and _is_young(connection, clock, known, lexicon)):
        return True
    is_of_nobody = stored.priors == replace(default_priors(clock, ()), counted=counted)
    return is_of_nobody and has_returning(connection, clock_kinds(lexicon, clock), now)


def _is_young(connection: Connection, clock: str, published: datetime, lexicon: Lexicon) -> bool:
    """Whether a version was published in the first month of its clock."""
    first = load_priors(connection, EPOCH).get(clock)
    return first is None or published - published_at(first.known_at, lexicon.zone) < FIRST_MONTH


def _learn(
    connection: Connection,
    log: EventDays,
    lexicon: Lexicon,
    clock: str,
    now: datetime,
    in_force: Priors | None,
) -> Priors:
    counted = what_counts(lexicon, clock)
    found = fit_priors(
        log,
        _day_at(now, lexicon),
        clock=clock,
        horizon_days=HORIZON_DAYS,
        now=in_force if in_force and in_force.counted == counted else None,
        lapse_days=_lapse_days(connection, lexicon, clock, now),
    )
    return replace(found, counted=counted)


def _lapse_days(connection: Connection, lexicon: Lexicon, clock: str, now: datetime) -> float:
    """Of all customers' gaps: a sample would move the day on which somebody is lost."""
    statement = _winding(connection, lexicon, clock, is_of_all=True).gap_counts
    rows = connection.execute(statement, {"given_at": microseconds(now)})
    return lapse_limit_of({row.days: row.seen for row in rows})


def _correct(
    connection: Connection,
    lexicon: Lexicon,
    clock: str,
    logs: Mapping[str, EventDays],
    learned: Mapping[str, Priors],
    now: datetime,
) -> Recalibration:
    """What became of the sampled customers' silences; another clock may know more of them."""
    log, helper = logs[clock], OTHER.get(clock)
    other = None
    if helper is not None:
        theirs = load_days(connection, lexicon, helper, now, log.everybody)
        other = Clock(theirs, learned[helper])
    return recalibrate(Clock(log, learned[clock]), _day_at(now, lexicon), other)


def _day_at(now: datetime, lexicon: Lexicon) -> float:
    """Now in days since 1970 of the brand's zone, just after anything that happens now."""
    day = day_of(now, lexicon.zone)
    passed = (now - day_begins(day, lexicon.zone) + TICK) / DAY
    return (day - EPOCH.date()).days + passed


def sample_days(connection: Connection, lexicon: Lexicon, clock: str, now: datetime) -> EventDays:
    """The event days of at most `LARGEST_SAMPLE` customers, evenly picked by their ids."""
    one_in = 1 + count_customers(connection) // LARGEST_SAMPLE
    while True:
        log = _days(connection, lexicon, clock, now, {ONE_IN: one_in}, is_of_all=True)
        found = len(log.everybody)
        if one_in == 1 or found >= LARGEST_SAMPLE // 2:
            return log
        one_in = one_in * found // LARGEST_SAMPLE or 1  # few were ever active: pick more of them


def load_days(
    connection: Connection,
    lexicon: Lexicon,
    clock: str,
    now: datetime,
    customer_ids: Collection[int],
) -> EventDays:
    """The event days of these customers."""
    return _days(connection, lexicon, clock, now, {IDS: list(customer_ids)}, is_of_all=False)


def _days(
    connection: Connection,
    lexicon: Lexicon,
    clock: str,
    now: datetime,
    asked: Mapping[str, object],
    *,
    is_of_all: bool,
) -> EventDays:
    statement = _winding(connection, lexicon, clock, is_of_all=is_of_all).event_days
    rows = connection.execute(statement, {"given_at": microseconds(now), **asked})
    return EventDays.of((row.customer_id, row.day) for row in rows)


def priors_at(connection: Connection, now: datetime) -> dict[str, StoredPriors]:
    """What is in force on each clock; clocks of which nothing was learned are left out."""
    rows, corrections = load_priors(connection, now), load_recalibrations(connection, now)
    return {
        clock: _stored(rows[clock], corrections.get(clock)) for clock in CLOCKS if clock in rows
    }


def _stored(row: Row[Any], correction: Row[Any] | None) -> StoredPriors:
    if correction is None:
        return StoredPriors(row.id, row.known_at, Priors.read(row))
    read = Recalibration.read(correction)
    return StoredPriors(row.id, row.known_at, Priors.read(row), read, correction.known_at)
