"""What drift means, day by day and customer by customer, to judge the SQL by."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from segments.days import day_begins
from segments.drift.model import Posterior
from segments.drift.priors import Pace, Priors
from segments.drift.states import COOLING, DORMANT, DRIFTING, Crossings, DriftState

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Statistics:
    """One customer's rhythm, folded day by day; on each day at most one event counts."""

    n: int
    first_on: date
    last_on: date
    ee: float
    dec: float
    fst: float

    @classmethod
    def started(cls, day: date) -> "Statistics":
        return cls(n=1, first_on=day, last_on=day, ee=0.0, dec=1.0, fst=1.0)

    def after(self, day: date, pace: Pace) -> "Statistics":
        gap = (day - self.last_on).days
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

    def posterior(self, priors: Priors) -> Posterior[float]:
        return Posterior.of(float(self.n), self.ee, priors, priors.horizon_days)


def fold(days: Iterable[date], pace: Pace) -> Statistics:
    """The statistics of these days, in any order, at least one."""
    first, *later = sorted(set(days))
    found = Statistics.started(first)
    for day in later:
        found = found.after(day, pace)
    return found


def gaps_between(days: Iterable[date]) -> list[float]:
    return [float((after - before).days) for before, after in pairwise(sorted(set(days)))]


def crossing(posterior: Posterior[float], level: float) -> float:
    """The silence at which `stays` reaches `level`; at most the limit."""
    at_limit = posterior.silent(posterior.lapse_days)
    if at_limit >= level:
        return 0.0
    left = (at_limit / level - posterior.dropout) / (1 - posterior.dropout)
    silence: float = posterior.scale * (left ** (-1 / posterior.k) - 1)
    return min(silence, posterior.lapse_days)


def state_of(days: Iterable[date], priors: Priors, zone: ZoneInfo) -> DriftState:
    """What is to be kept of a customer who was active on these days."""
    rhythm = fold(days, priors.pace)
    posterior, last_at = rhythm.posterior(priors), day_begins(rhythm.last_on, zone)
    drifting = crossing(posterior, DRIFTING)
    cooling = min(max(crossing(posterior, COOLING), posterior.usual_gap), drifting)
    turns = Crossings(
        cooling_at=last_at + cooling * DAY,
        drifting_at=last_at + drifting * DAY,
        dormant_at=last_at + crossing(posterior, DORMANT) * DAY,
        lost_at=last_at + priors.lapse_days * DAY,
    )
    first_at = day_begins(rhythm.first_on, zone)
    return DriftState(rhythm.n, first_at, last_at, rhythm.ee, turns, risk=None)
