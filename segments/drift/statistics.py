"""The few numbers that sum up one customer's rhythm on one clock, folded day by day.

On each day at most one event counts. A gap is the number of days from one event day to the next.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Pace:
    """How fast the past fades: by the gap (`rho`) and by the day (`horizon_days`)."""

    rho: float
    horizon_days: float


@dataclass(frozen=True)
class Statistics:
    """Sufficient for the model, and updated in constant time."""

    n: int  # event days
    first_on: date
    last_on: date
    ee: float  # gaps in days, each newer one counting 1/rho times the one before
    dec: float  # event days, halved with every horizon that passed until the last one
    fst: float  # the same, halved three times as fast

    @classmethod
    def started(cls, day: date) -> "Statistics":
        return cls(n=1, first_on=day, last_on=day, ee=0.0, dec=1.0, fst=1.0)

    def after(self, day: date, pace: Pace) -> "Statistics":
        """With an event on `day`; one on the last day changes nothing.

        Raises ValueError for an earlier day: a late event needs a rebuild.
        """
        gap = (day - self.last_on).days
        if gap < 0:
            raise ValueError("a late event cannot be folded in; rebuild from all days")
        if gap == 0:
            return self
        return Statistics(
            n=self.n + 1,
            first_on=self.first_on,
            last_on=day,
            ee=pace.rho * self.ee + gap,
            dec=1 + self.dec * 2 ** (-gap / pace.horizon_days),
            fst=1 + self.fst * 2 ** (-3 * gap / pace.horizon_days),
        )


def fold(days: Iterable[date], pace: Pace) -> Statistics | None:
    """The statistics of these days, in any order; None without any."""
    ordered = sorted(set(days))
    if not ordered:
        return None
    found = Statistics.started(ordered[0])
    for day in ordered[1:]:
        found = found.after(day, pace)
    return found
