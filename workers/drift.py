"""Keeps everybody's drift up to date: wound by what happened, with what was learned of all.

How that is learned is in `workers.drift_learning`.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from segments.days import DAY, published_at
from segments.drift.correction import AS_IT_IS, Recalibration
from segments.drift.priors import Priors, default_priors
from segments.drift.publishing import OTHER, risk_values
from segments.drift.rhythms import IDS, Asked
from segments.drift.winding import Winding, what_counts, winding_values
from segments.kinds import clock_kinds
from segments.lexicon import Lexicon
from store.drift import (
    CLOCKS,
    has_returning,
    load_priors,
    load_recalibrations,
)
from store.session import Store
from store.tables import EPOCH

FIRST_MONTH, WEEK = timedelta(days=30), timedelta(days=7)  # learned daily until then, weekly later
HOUR = timedelta(hours=1)


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
        statements = winding(tx, lexicon, clock, is_of_all=customer_ids is None)
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
        statements = winding(tx, lexicon, clock, is_of_all=customer_ids is None)
        tx.execute(statements.publish, values | named)


def winding(
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


# --- what was learned of everybody, and when to learn again -------------------------------------


def publish_priors(tx: Connection, lexicon: Lexicon, now: datetime) -> frozenset[str]:
    """`learn` if that is due, and keep what was learned."""
    if not are_priors_due(tx, lexicon, now):
        return frozenset()
    # NumPy and what is built on it cost more to import than most looks at a customer
    from workers.drift_learning import keep_learned, learn

    return keep_learned(tx, learn(tx, lexicon, now), now)


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
