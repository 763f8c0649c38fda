"""From silence to a word: active, cooling, drifting, dormant, lost, and when each begins."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from segments.days import day_of
from segments.drift.figures import DriftFigures
from segments.drift.model import Posterior, median_gap
from segments.drift.priors import Priors

COOLING, DRIFTING, DORMANT = 0.35, 0.65, 0.85  # levels of the chance that the silence lasts
ESTABLISHED = 3  # event days; with fewer a customer is new until lost
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Crossings:
    """When each state begins if nothing happens, in order; active is before all of them."""

    cooling_at: datetime
    drifting_at: datetime
    dormant_at: datetime
    lost_at: datetime

    def ahead(self, now: datetime) -> tuple[str, datetime] | None:
        """The next state and its instant; None once lost."""
        return next(((state, at) for state, at in self._in_order() if at > now), None)

    def state(self, now: datetime) -> str:
        passed = [state for state, at in self._in_order() if at <= now]
        return passed[-1] if passed else "active"

    def _in_order(self) -> tuple[tuple[str, datetime], ...]:
        return (
            ("cooling", self.cooling_at),
            ("drifting", self.drifting_at),
            ("dormant", self.dormant_at),
            ("lost", self.lost_at),
        )


@dataclass(frozen=True)
class DriftState:
    """What is kept of one customer on one clock."""

    n: int  # event days
    first_at: datetime  # the first instant of the first of them, in the brand's zone
    last_at: datetime  # and of the last
    ee: float  # gaps in days, each newer one counting 1/rho times the one before
    crossings: Crossings
    risk: float | None  # as published for today; None: first active today

    @classmethod
    def read(cls, row: Any) -> "DriftState":
        """From a row of drift_states."""
        turns = Crossings(row.cooling_at, row.drifting_at, row.dormant_at, row.lost_at)
        return cls(row.n, row.first_at, row.last_at, row.ee, turns, row.risk)


def figures(state: DriftState, priors: Priors, now: datetime, zone: ZoneInfo) -> DriftFigures:
    """Everything that is said of one customer's drift at `now`; days are those of `zone`."""
    posterior = Posterior.of(float(state.n), state.ee, priors, priors.horizon_days)
    silence = max((now - state.last_at) / DAY, 0.0)
    ahead = state.crossings.ahead(now)
    has_gaps = state.n > 1
    return DriftFigures(
        clock=priors.clock,
        state=state.crossings.state(now),
        is_new=state.n < ESTABLISHED and state.crossings.lost_at > now,
        n=state.n,
        usual_days=_undiscounted_gap(state, priors, zone) if has_gaps else None,
        lately_days=posterior.usual_gap if has_gaps else None,
        silence_days=silence,
        stays=posterior.stays(silence),
        limit_days=priors.lapse_days,
        risk=state.risk,
        next_state=ahead[0] if ahead else None,
        next_state_at=ahead[1] if ahead else None,
        lost_at=state.crossings.lost_at,
    )


def _undiscounted_gap(state: DriftState, priors: Priors, zone: ZoneInfo) -> float:
    """The median gap with every past gap counting alike: their sum is the span."""
    span = (day_of(state.last_at, zone) - day_of(state.first_at, zone)).days
    return median_gap(priors.r + state.n - 1, priors.alpha + span)
