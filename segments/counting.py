"""Counting what happens in time: how many now, and the first instant at which that answer changes.

Everything that is counted counts during one stretch of time, from `begins` up to but not including
`ends` (NULL: for ever). Windows, events dated in the future, facts that become known later and
events that a later one answers are all the same thing here: a stretch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from segments.instants import Micros, greatest, soonest

ONE_MORE = literal_column("1", BigInteger)
ONE_LESS = literal_column("-1", BigInteger)
NOTHING = literal_column("0", BigInteger)
# Of what is added up. PostgreSQL raises where a result fits no double, also where it squares on the
# way to an average, and one such customer would fail everybody's evaluation.
LARGEST = 1e100


@dataclass(frozen=True)
class Amount:
    """Bounds on a number; all that are given must hold. `more_than` and `less_than` are strict."""

    at_least: float | None = None
    at_most: float | None = None
    exactly: float | None = None
    between: tuple[float, float] | None = None
    more_than: float | None = None
    less_than: float | None = None

    @classmethod
    def of(cls, written: Any) -> "Amount":
        """The bounds that a condition names."""
        names = cls.__dataclass_fields__
        return cls(**{name: getattr(written, name, None) for name in names})

    @property
    def has_bounds(self) -> bool:
        return any(getattr(self, name) is not None for name in _COMPARISONS)

    @property
    def whole(self) -> tuple[int, int | None]:
        """The fewest and the most that a count may be; None: there is no most."""
        between = self.between or (None, None)
        lows = [n for n in (self.at_least, self.exactly, between[0]) if n is not None]
        highs = [n for n in (self.at_most, self.exactly, between[1]) if n is not None]
        return int(max(lows, default=0)), int(min(highs)) if highs else None

    def admits(self, number: ColumnElement[Any]) -> ColumnElement[bool]:
        """NULL where `number` is."""
        bounds = [
            compare(number, bound)
            for name, compare in _COMPARISONS.items()
            if (bound := getattr(self, name)) is not None
        ]
        return and_(true(), *bounds)

    def admits_nothing(self) -> bool:
        """Whether zero lies within the bounds."""
        zero = (
            self.at_least is None or self.at_least <= 0,
            self.at_most is None or self.at_most >= 0,
            self.exactly is None or self.exactly == 0,
            self.between is None or self.between[0] <= 0 <= self.between[1],
            self.more_than is None or self.more_than < 0,
            self.less_than is None or self.less_than > 0,
        )
        return all(zero)


_COMPARISONS: dict[str, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]] = {
    "at_least": lambda number, bound: number >= bound,
    "at_most": lambda number, bound: number <= bound,
    "exactly": lambda number, bound: number == bound,
    "between": lambda number, bounds: number.between(*bounds),
    "more_than": lambda number, bound: number > bound,
    "less_than": lambda number, bound: number < bound,
}


def count(stretches: CTE, amount: Amount, *, recurs: bool = False) -> Select[Any]:
    """id, holds, next_check_at of a count; the check is the exact instant of the next change.

    Where stretches recur, of which only the next is known, it is the next beginning or end of any.
    Needs the columns id, at, begins, ends. A running count over the instants at which a stretch
    begins or ends; what already runs begins now.
    """
    running = _running_counts(stretches)
    now, then = amount.admits(running.c.now), amount.admits(running.c.then)
    flips = and_(running.c.instant > running.c.at, true() if recurs else then != now)
    return select(
        running.c.id,
        func.max(case((now, 1), else_=0)).label("holds"),
        func.min(case((flips, running.c.instant))).label("next_check_at"),
    ).group_by(running.c.id)


def _running_counts(stretches: CTE) -> CTE:
    changes = _changes(stretches)
    added = func.sum(changes.c.change)
    return (
        select(
            changes.c.id,
            changes.c.at,
            changes.c.instant,
            func.sum(added)
            .over(partition_by=changes.c.id, order_by=changes.c.instant)
            .label("then"),
            func.sum(case((changes.c.instant == changes.c.at, added), else_=NOTHING))
            .over(partition_by=changes.c.id)
            .label("now"),
        )
        .group_by(changes.c.id, changes.c.at, changes.c.instant)
        .cte()
    )


def _changes(stretches: CTE) -> CTE:
    own = stretches.c
    begins = greatest(own.begins, own.at)
    begun = select(own.id, own.at, begins.label("instant"), ONE_MORE.label("change"))
    over = select(own.id, own.at, own.ends.label("instant"), ONE_LESS.label("change"))
    return union_all(
        begun.where(or_(own.ends.is_(None), own.ends > begins)),
        over.where(own.ends > begins),
    ).cte()


def figure(
    stretches: CTE, of: Callable[[ColumnElement[Any]], ColumnElement[Any]], amount: Amount
) -> Select[Any]:
    """id, holds, next_check_at of a figure `of` the column `value` over what counts now.

    The check is the next instant at which anything begins or ends to count.
    """
    own = stretches.c
    runs = and_(own.begins <= own.at, or_(own.ends.is_(None), own.ends > own.at))
    admitted = amount.admits(of(case((runs, own.value))))
    begins = case((own.begins > own.at, own.begins))
    ends = case((and_(own.ends > own.at, own.ends > own.begins), own.ends))
    return select(
        own.id,
        case((admitted, 1), else_=0).label("holds"),
        soonest(func.min(begins), func.min(ends)).label("next_check_at"),
    ).group_by(own.id)


def bounded(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """A number that can be added up and squared: one beyond `LARGEST`, of either sign, is that."""
    return case(
        (value.between(-LARGEST, LARGEST), value), (value > 0, LARGEST), (value < 0, -LARGEST)
    )


FIGURES: dict[str, Callable[[ColumnElement[Any]], ColumnElement[Any]]] = {
    "sum_of": lambda value: func.coalesce(func.sum(bounded(value)), 0.0),
    "average_of": lambda value: func.avg(bounded(value)),
    "highest_of": func.max,
    "lowest_of": func.min,
    "distinct": lambda value: func.count(value.distinct()),
}


def edge(
    moments: CTE, *, is_first: bool, within: Micros | None, older_than: Micros | None
) -> Select[Any]:
    """id, holds, next_check_at: does the first or the last of the moments so far lie in the window?

    Needs the columns id, at, moment (when it happened) and begins (from when it is known).
    """
    own = moments.c
    so_far = case((own.begins <= own.at, own.moment))
    ahead = func.min(case((own.begins > own.at, own.begins)))
    chosen = func.min(so_far) if is_first else func.max(so_far)
    picked = (
        select(own.id, func.max(own.at).label("at"), chosen.label("moment"), ahead.label("ahead"))
        .group_by(own.id)
        .cte()
    )
    return _edge_verdict(picked, within, older_than)


def _edge_verdict(picked: CTE, within: Micros | None, older_than: Micros | None) -> Select[Any]:
    own = picked.c
    bounds: list[ColumnElement[bool]] = []
    turns: list[Micros] = [own.ahead]
    if within is not None:
        bounds.append(own.moment > own.at - within)
        turns.append(case((own.moment + within > own.at, own.moment + within)))
    if older_than is not None:
        bounds.append(own.moment <= own.at - older_than)
        turns.append(case((own.moment + older_than > own.at, own.moment + older_than)))
    return select(
        own.id,
        case((and_(*bounds), 1), else_=0).label("holds"),
        soonest(*turns).label("next_check_at"),
    )
