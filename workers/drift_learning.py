"""Learns from everybody's past what the drift of each customer is measured by."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from segments.days import DAY, day_begins, day_of
from segments.drift.correction import AS_IT_IS, Recalibration
from segments.drift.fitting import LARGEST_SAMPLE, fit_priors
from segments.drift.log import EventDays
from segments.drift.priors import HORIZON_DAYS, Priors, lapse_limit_of
from segments.drift.publishing import OTHER
from segments.drift.recalibration import Clock, recalibrate
from segments.drift.rhythms import IDS, ONE_IN
from segments.drift.winding import what_counts
from segments.lexicon import Lexicon
from store.drift import (
    CLOCKS,
    count_customers,
    insert_priors,
    insert_recalibration,
)
from store.tables import EPOCH, microseconds
from workers.drift import priors_at, winding

TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Learned:
    """What everybody's past teaches of one clock."""

    priors: Priors
    recalibration: Recalibration
    is_news: bool  # other than what is in force


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
    statement = winding(connection, lexicon, clock, is_of_all=True).gap_counts
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
    statement = winding(connection, lexicon, clock, is_of_all=is_of_all).event_days
    rows = connection.execute(statement, {"given_at": microseconds(now), **asked})
    return EventDays.of((row.customer_id, row.day) for row in rows)
