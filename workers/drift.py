"""Keeps every customer's drift up to date: statistics from the log, crossings from the model."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection

from segments.days import day_of
from segments.drift.activity import event_days
from segments.drift.priors import Priors, default_priors, gaps_between
from segments.drift.states import stored_state
from segments.drift.statistics import Statistics, fold
from segments.kinds import clock_kinds
from segments.lexicon import Lexicon
from store.drift import (
    count_customers,
    has_returning,
    insert_priors,
    load_event_times,
    load_priors,
    replace_states,
)
from store.records import CustomerId
from store.session import Store
from store.tables import EPOCH

CLOCKS = ("goal", "any")
LARGEST_SAMPLE = 1_000  # customers from whom gaps are learned
FIRST_MONTH_DAYS = 30  # learned anew every day until then, weekly later


@dataclass(frozen=True)
class StoredPriors:
    """A version of one clock's parameters."""

    id: int
    known_at: datetime
    priors: Priors


def refresh_drift(
    tx: Connection,
    customer_ids: Collection[int],
    now: datetime,
    lexicon: Lexicon,
    priors_by_clock: Mapping[str, StoredPriors],
) -> None:
    """Rebuild the states of these customers from what is known of them at `now`."""
    for clock, stored in priors_by_clock.items():
        states = [
            stored_state(customer_id, statistics, stored.priors, stored.id, lexicon.zone)
            for customer_id, statistics in rhythms(tx, lexicon, stored.priors, now, customer_ids)
        ]
        replace_states(tx, clock, customer_ids, states)


def publish_priors(tx: Connection, lexicon: Lexicon, now: datetime) -> frozenset[str]:
    """Learn the parameters of each clock anew, daily at first, then weekly; most calls do nothing.

    Returns the clocks whose parameters changed noticeably: everybody's states on them are outdated.
    """
    in_force = priors_at(tx, now)
    return frozenset(
        clock for clock in CLOCKS if _publish(tx, lexicon, clock, in_force.get(clock), now)
    )


def _publish(
    tx: Connection, lexicon: Lexicon, clock: str, stored: StoredPriors | None, now: datetime
) -> bool:
    if stored and not _is_outdated(tx, stored, lexicon, now):
        return False
    learned = learn_priors(tx, lexicon, clock, now)
    if stored and learned.is_close_to(stored.priors):
        insert_priors(tx, asdict(stored.priors), now)  # the same ones, known to hold today
        return False
    insert_priors(tx, asdict(learned), now)
    return True


def are_priors_due(connection: Connection, lexicon: Lexicon, now: datetime) -> bool:
    """Whether any clock's parameters were never learned, or too long ago."""
    in_force = priors_at(connection, now)
    return any(
        clock not in in_force or _is_outdated(connection, in_force[clock], lexicon, now)
        for clock in CLOCKS
    )


def _is_outdated(
    connection: Connection, stored: StoredPriors, lexicon: Lexicon, now: datetime
) -> bool:
    """Old by its age, or of a time when nobody had come twice and now somebody has."""
    clock = stored.priors.clock
    first = load_priors(connection, clock, EPOCH)
    known_on = day_of(stored.known_at, lexicon.zone)
    age_days = (known_on - day_of(first.known_at, lexicon.zone)).days if first else 0
    if (day_of(now, lexicon.zone) - known_on).days >= (1 if age_days < FIRST_MONTH_DAYS else 7):
        return True
    is_of_nobody = stored.priors == default_priors(clock, ())
    return is_of_nobody and has_returning(connection, clock_kinds(lexicon, clock), now)


def learn_priors(connection: Connection, lexicon: Lexicon, clock: str, now: datetime) -> Priors:
    """The parameters that the gaps known at `now` suggest."""
    one_in = 1 + count_customers(connection) // LARGEST_SAMPLE
    times = load_event_times(connection, clock_kinds(lexicon, clock), now, one_in=one_in)
    gaps = [g for _, days in event_days(times, lexicon.zone) for g in gaps_between(days)]
    return default_priors(clock, gaps)


def priors_at(connection: Connection, now: datetime) -> dict[str, StoredPriors]:
    """The parameters in force on each clock; clocks without any are left out."""
    rows = {clock: load_priors(connection, clock, now) for clock in CLOCKS}
    return {
        clock: StoredPriors(row.id, row.known_at, Priors.read(row))
        for clock, row in rows.items()
        if row is not None
    }


def rhythms(
    connection: Connection,
    lexicon: Lexicon,
    priors: Priors,
    now: datetime,
    customer_ids: Collection[int] | None = None,
) -> Iterator[tuple[CustomerId, Statistics]]:
    """The statistics, straight from the log, of these customers (or all) who were ever active."""
    times = load_event_times(connection, clock_kinds(lexicon, priors.clock), now, customer_ids)
    for customer_id, days in event_days(times, lexicon.zone):
        if statistics := fold(days, priors.pace):
            yield CustomerId(customer_id), statistics


@contextmanager
def as_of_now(
    store: Store, lexicon: Lexicon, now: datetime, clocks: Collection[str] = CLOCKS
) -> Iterator[Connection]:
    """A look at the database in which everybody's drift is that of `now`; nothing of it is kept.

    What workers keep is as of their last refresh, which may lie before `now` or after it. Other
    clocks than those asked for stay as they are.
    """
    with store.begin() as tx:
        rehearsal = tx.begin_nested()
        publish_priors(tx, lexicon, now)
        everybody = range(1, count_customers(tx) + 1)
        asked = {clock: one for clock, one in priors_at(tx, now).items() if clock in clocks}
        refresh_drift(tx, everybody, now, lexicon, asked)
        try:
            yield tx
        finally:
            rehearsal.rollback()
