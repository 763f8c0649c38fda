"""How recently, how often and for how much customers bought, and where the fifths of that lie.

A version of the fifths is published once a day, at a fixed hour of the brand's day. Between two
versions nobody's place changes: it is what was known of them when the version was made.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, select

from segments.instants import instant, micros
from segments.kinds import goal_kinds
from segments.lexicon import Lexicon
from segments.paths import parse_path
from segments.values import total_at
from store.tables import QUINTILE_FIGURES, customers, events

SHARES = (0.2, 0.4, 0.6, 0.8)
# Amounts are summed up in whole ten-thousandths: sums of fractions depend on their order, and one
# customer's must equal a bound that was made of it. A larger amount counts as this one.
UNIT, LARGEST = 10_000, 10_000_000_000


def fifths(lexicon: Lexicon, as_of: datetime) -> Select[Any]:
    """One row: how many customers ever bought, and the four bounds between fifths of each figure.

    A bound is the least value that this share of customers does not exceed.
    """
    at = instant(as_of)
    bought = (
        select(*purchases(lexicon))
        .join(customers, customers.c.id == events.c.customer_id)
        .where(
            customers.c.merged_into.is_(None),
            customers.c.erased_at.is_(None),
            events.c.kind_id.in_(goal_kinds(lexicon)),
            micros(events.c.occurred_at) <= at,
            micros(events.c.known_at) <= at,
        )
        .group_by(events.c.customer_id)
        .cte()
    )
    places = [
        func.cume_dist().over(order_by=bought.c[name]).label(f"{name}_place")
        for name in QUINTILE_FIGURES
    ]
    ranked = select(bought, *places).cte()
    bounds = [
        func.coalesce(func.min(case((ranked.c[f"{name}_place"] >= share, ranked.c[name]))), 0)
        .cast(BigInteger)
        .label(f"{name}_{number}")
        for name in QUINTILE_FIGURES
        for number, share in enumerate(SHARES, 1)
    ]
    count: ColumnElement[Any] = func.count().label("customers")
    return select(count, *bounds).select_from(ranked)


def purchases(lexicon: Lexicon) -> tuple[ColumnElement[Any], ...]:
    """The figures over a group of events: the last instant, how many, and what they amount to."""
    value = total_at(events.c.properties, parse_path(lexicon.value))
    kept = case((value > LARGEST, LARGEST), (value < -LARGEST, -LARGEST), else_=value)
    amount = cast(func.round(func.coalesce(kept, 0) * UNIT), BigInteger)
    return (
        func.max(micros(events.c.occurred_at)).label("recency"),
        func.count().label("frequency"),
        cast(func.sum(amount), BigInteger).label("monetary"),
    )
