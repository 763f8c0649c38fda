"""From events to statistics in SQL: `EventDays.rhythms`, added to what is kept already.

A customer's days since the last that is kept are read, and what is kept stands before them as one
heavy day. So the same statement counts one new day, a whole log, and everybody's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Float,
    Select,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)

from segments.choosing import IdList, is_one_of
from segments.dates import add_local_day
from segments.drift.formulas import Terms, faded_by, halved
from segments.instants import LONG_AGO, NULL_INSTANT, Micros, micros
from segments.kinds import clock_kinds
from segments.lexicon import Lexicon
from segments.planning import looked_up_by
from store.tables import customers, drift_states, events

KEPT = drift_states.c
IDS, ONE_IN = "asked_ids", "given_one_in"
STATISTICS = ("n", "ee", "dec", "fst")


@dataclass(frozen=True)
class Asked:
    """The customers whom a statement is about: everybody, or those that a parameter names."""

    is_everybody: bool

    def customers(self, *, is_sampled: bool = False) -> CTE:
        """Their ids; sampled, one in so many of them."""
        query = select(customers.c.id)
        if not self.is_everybody:
            query = query.where(is_one_of(customers.c.id, bindparam(IDS, type_=IdList())))
        if is_sampled:
            query = query.where(customers.c.id % whole(ONE_IN) == 0)
        return query.cte("asked")

    def rows(self, clock: str) -> list[ColumnElement[bool]]:
        """Which rows are kept of them."""
        is_theirs = [KEPT.clock == clock]
        if not self.is_everybody:
            is_theirs.append(is_one_of(KEPT.customer_id, bindparam(IDS, type_=IdList())))
        return is_theirs


@dataclass(frozen=True)
class Counting:
    """What winds one clock, and how its days add up."""

    lexicon: Lexicon
    clock: str
    terms: Terms

    def acts(self, asked: CTE, until: Micros, *, is_incremental: bool = False) -> CTE:
        """When they wound the clock; incrementally, since what is kept."""
        occurred_at = micros(events.c.occurred_at)
        source: Any = asked
        known = [occurred_at <= until, micros(events.c.known_at) <= until]
        if is_incremental:
            mine = and_(KEPT.clock == self.clock, KEPT.customer_id == asked.c.id, KEPT.n > 0)
            source = asked.outerjoin(drift_states, mine)
            known.append(occurred_at >= func.coalesce(micros(KEPT.day_over_at), LONG_AGO))
        return (
            select(asked.c.id.label("customer_id"), occurred_at.label("moment"))
            .select_from(source.join(events, events.c.customer_id == looked_up_by(asked.c.id)))
            .where(self._is_of_clock(), *known)
            .cte()
            .prefix_with("MATERIALIZED")
        )

    def _is_of_clock(self) -> ColumnElement[bool]:
        """Of the customer's own acts there may be thousands of kinds: SQLite would look for each of
        them with each customer, instead of asking of each act whether it is of one.
        """
        kind = events.c.kind_id if self.clock == "goal" else looked_up_by(events.c.kind_id)
        return kind.in_(clock_kinds(self.lexicon, self.clock))

    def dated(self, acts: CTE) -> CTE:
        return add_local_day(acts, "moment", self.lexicon.zone, name="day")

    def summed(self, acts: CTE, *, is_incremental: bool = True) -> CTE:
        """One row a customer: the statistics of these acts and of what is kept already."""
        parts = [
            select(
                acts.c.customer_id,
                acts.c.moment,
                literal_column("1", BigInteger).label("n"),
                cast(null(), Float).label("ee"),
                *(literal_column("1.0", Float).label(name) for name in ("dec", "fst")),
                NULL_INSTANT.label("begun_at"),
            )
        ]
        if is_incremental:
            parts.append(self._kept_of(acts))
        dated = self.dated(union_all(*parts).cte().prefix_with("MATERIALIZED"))
        return self._added_up(self._spaced(dated))

    def _kept_of(self, acts: CTE) -> Select[Any]:
        """What is kept of them stands as one heavy day: their last one."""
        return select(
            KEPT.customer_id,
            micros(KEPT.last_at).label("moment"),
            *(KEPT[name] for name in STATISTICS),
            micros(KEPT.first_at).label("begun_at"),
        ).where(
            KEPT.clock == self.clock, KEPT.n > 0, KEPT.customer_id.in_(select(acts.c.customer_id))
        )

    def _spaced(self, dated: CTE) -> CTE:
        """Each day once, with the gap before it and the number of days after it."""
        day = dated.c
        weights = [func.max(day[name]).label(name) for name in STATISTICS]
        once = (
            select(day.customer_id, day.day, *weights, func.min(day.begun_at).label("begun_at"))
            .group_by(day.customer_id, day.day)
            .cte()
        )
        one = once.c
        theirs: Mapping[str, Any] = {"partition_by": one.customer_id}
        gap = one.day - func.lag(one.day).over(**theirs, order_by=one.day)
        place = func.row_number().over(**theirs, order_by=one.day)
        return (
            select(
                *(one[name] for name in ("customer_id", "day", "n", "dec", "fst", "begun_at")),
                func.coalesce(one.ee, cast(gap, Float), literal_column("0.0")).label("gap"),
                (func.count().over(**theirs) - place).label("later"),
                func.max(one.day).over(**theirs).label("last_day"),
            )
            .cte()
            .prefix_with("MATERIALIZED")
        )

    def _added_up(self, spaced: CTE) -> CTE:
        day = spaced.c
        age = cast(day.last_day - day.day, Float)
        weight = faded_by(self.terms.rho, cast(day.later, Float))
        return (
            select(
                day.customer_id,
                cast(func.sum(day.n), BigInteger).label("n"),
                func.sum(day.gap * weight).label("ee"),
                func.sum(day.dec * halved(age, self.terms.horizon_days)).label("dec"),
                func.sum(day.fst * halved(3 * age, self.terms.horizon_days)).label("fst"),
                func.min(day.begun_at).label("begun_at"),
                func.min(day.day).label("first_day"),
                func.max(day.day).label("last_day"),
            )
            .group_by(day.customer_id)
            .cte()
            .prefix_with("MATERIALIZED")
        )


def whole(name: str) -> Any:
    """A parameter: an instant in microseconds, or an id."""
    return bindparam(name, type_=BigInteger)
