"""`trend: {event: NAME}`: a count that fell or rose between two adjacent equal windows."""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor
from typing import Any, ClassVar, Self

from pydantic import Field, StrictInt, model_validator
from sqlalchemy import CTE, ColumnElement, Select, and_, case, func, or_, select, true, union_all

from rekindle.durations import write_duration
from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase
from segments.conditions.fields import Percent, Stretch
from segments.conditions.happening import Happening
from segments.counting import NOTHING, ONE_LESS, ONE_MORE
from segments.instants import Micros, greatest, length, soonest
from segments.wording import sentence


class Trend(ConditionBase):
    """Now is (t − over, t], before is the same length just before it.

    Falls where now is at most before less the share, rises where it is at least before plus it.
    """

    kind: ClassVar[str] = "trend"
    trend: Happening
    over: Stretch
    falls_by: Percent | None = None
    rises_by: Percent | None = None
    from_at_least: StrictInt = Field(1, ge=1, description="with fewer before it never holds")

    @property
    def named_events(self) -> tuple[str, ...]:
        return self.trend.named_events

    @property
    def named_channels(self) -> tuple[str, ...]:
        return self.trend.named_channels

    @model_validator(mode="after")
    def _goes_one_way(self) -> Self:
        if (self.falls_by is None) == (self.rises_by is None):
            raise ValueError("a trend needs either falls_by or rises_by, as in falls_by: 50%")
        if self.falls_by is not None and self.falls_by > 1:
            raise ValueError("'falls_by' is at most 100%: nothing falls below nothing")
        return self

    @property
    def sentence(self) -> str:
        way = "fell" if self.falls_by is not None else "rose"
        share = float((self.falls_by or self.rises_by or 0) * 100)
        over = f"in the last {write_duration(self.over)} against those before"
        from_ = f"(at least {self.from_at_least} then)" if self.from_at_least > 1 else ""
        return sentence(self.trend.acts().meant, way, f"by {share:g}% or more", over, from_)

    def facts(self, compilation: Compilation) -> dict[str, Select[Any]]:
        own = self._stretches(compilation).c
        runs = and_(own.begins <= own.at, own.ends > own.at)
        return {
            "now": select(func.coalesce(func.sum(case((runs, own.after))), 0)),
            "before": select(func.coalesce(func.sum(case((runs, own.before))), 0)),
        }

    def tell(self, found: Mapping[str, Any]) -> str:
        return f"{found['now']:g} now, {found['before']:g} before"

    def lacks(self, found: Mapping[str, Any]) -> str:
        before = max(int(found["before"]), self.from_at_least)
        bound = "at most" if self.falls_by is not None else "at least"
        return f"needed: {bound} {self._turned(before)} now with {before} before"

    def _turned(self, before: int) -> int:
        """Up to how many now it fell, or from how many on it rose."""
        if self.falls_by is not None:
            return floor(before * (1 - self.falls_by))
        return ceil(before * (1 + (self.rises_by or Fraction())))

    def compile(self, compilation: Compilation) -> Verdict:
        return compilation.leaf(
            self, lambda: self._leaf(compilation), on_nothing=False, is_costly=True
        )

    def _leaf(self, compilation: Compilation) -> Select[Any]:
        """Exact like a count: two counts run over the instants at which either changes."""
        running = _running(_changes(self._stretches(compilation)))
        now = self._admits(running.c.after_at, running.c.before_at)
        then = self._admits(running.c.after_then, running.c.before_then)
        recurs = any(asked.anniversary_in_next for asked in self.trend.where.values())
        flips = and_(running.c.instant > running.c.at, true() if recurs else then != now)
        return select(
            running.c.id,
            func.max(case((now, 1), else_=0)).label("holds"),
            func.min(case((flips, running.c.instant))).label("next_check_at"),
        ).group_by(running.c.id)

    def _admits(self, now: ColumnElement[int], before: ColumnElement[int]) -> ColumnElement[bool]:
        """In whole numbers, so that 50% of 4 is 2 on every database."""
        share = self.falls_by if self.falls_by is not None else -(self.rises_by or Fraction())
        left = before * (share.denominator - share.numerator)
        scaled = now * share.denominator
        turned = scaled <= left if self.falls_by is not None else scaled >= left
        return and_(before >= self.from_at_least, turned)

    def _stretches(self, compilation: Compilation) -> CTE:
        """During which time each event is in the later window, and during which in the earlier."""
        acts, over = self.trend.acts(2 * self.over), length(self.over)
        own = acts.moments(compilation).c
        middle, end = own.moment + over, own.moment + over + over
        later = select(own.id, own.at, own.begins, soonest(own.ends, middle).label("ends"))
        earlier = select(
            own.id,
            own.at,
            greatest(own.begins, middle).label("begins"),
            soonest(own.ends, end).label("ends"),
        )
        return union_all(
            later.add_columns(ONE_MORE.label("after"), NOTHING.label("before")),
            earlier.add_columns(NOTHING.label("after"), ONE_MORE.label("before")),
        ).cte()


def _changes(stretches: CTE) -> CTE:
    """id, at, instant, and by how much each count changes there; what already runs begins now."""
    own = stretches.c
    begins: Micros = greatest(own.begins, own.at)
    lasts = or_(own.ends.is_(None), own.ends > begins)
    begun = select(own.id, own.at, begins.label("instant"), own.after, own.before).where(lasts)
    over = select(
        own.id,
        own.at,
        own.ends.label("instant"),
        (own.after * ONE_LESS).label("after"),
        (own.before * ONE_LESS).label("before"),
    ).where(own.ends > begins)
    return union_all(begun, over).cte()


def _running(changes: CTE) -> CTE:
    own = changes.c
    counted: list[ColumnElement[Any]] = []
    for name in ("after", "before"):
        added = func.sum(own[name])
        so_far = func.sum(added).over(partition_by=own.id, order_by=own.instant)
        at_once = case((own.instant == own.at, added), else_=NOTHING)
        counted.append(so_far.label(f"{name}_then"))
        counted.append(func.sum(at_once).over(partition_by=own.id).label(f"{name}_at"))
    return select(own.id, own.at, own.instant, *counted).group_by(own.id, own.at, own.instant).cte()
