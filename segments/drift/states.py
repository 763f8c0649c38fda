"""From silence to a word: active, cooling, drifting, dormant, lost, and when each begins."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from segments.days import day_begins, day_of
from segments.drift.figures import DriftFigures
from segments.drift.model import Posterior, median_gap
from segments.drift.priors import Priors
from segments.drift.statistics import Statistics

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


def crossings(posterior: Posterior[float], last_at: datetime) -> Crossings:
    """Nobody cools before their usual gap has passed, unless they drift already."""
    drifting = posterior.crossing(DRIFTING)
    cooling = max(posterior.crossing(COOLING), posterior.usual_gap)
    return Crossings(
        cooling_at=last_at + min(cooling, drifting) * DAY,
        drifting_at=last_at + drifting * DAY,
        dormant_at=last_at + posterior.crossing(DORMANT) * DAY,
        lost_at=last_at + posterior.lapse_days * DAY,
    )


def figures(statistics: Statistics, priors: Priors, now: datetime, zone: ZoneInfo) -> DriftFigures:
    """Everything that is said of one customer's drift at `now`."""
    posterior = Posterior.of(statistics, priors)
    last_at = day_begins(statistics.last_on, zone)
    turns = crossings(posterior, last_at)
    silence = max((now - last_at) / DAY, 0.0)
    ahead = turns.ahead(now)
    has_gaps = statistics.n > 1
    return DriftFigures(
        clock=priors.clock,
        state=turns.state(now),
        is_new=statistics.n < ESTABLISHED and turns.lost_at > now,
        n=statistics.n,
        usual_days=_undiscounted_gap(statistics, priors) if has_gaps else None,
        lately_days=posterior.usual_gap if has_gaps else None,
        silence_days=silence,
        stays=posterior.stays(silence),
        limit_days=priors.lapse_days,
        risk=posterior.inactive(silence),
        next_state=ahead[0] if ahead else None,
        next_state_at=ahead[1] if ahead else None,
        lost_at=turns.lost_at,
    )


def _undiscounted_gap(statistics: Statistics, priors: Priors) -> float:
    """The median gap with every past gap counting alike: their sum is the span."""
    span = (statistics.last_on - statistics.first_on).days
    return median_gap(priors.r + statistics.n - 1, priors.alpha + span)


def stored_state(
    customer_id: int, statistics: Statistics, priors: Priors, priors_id: int, zone: ZoneInfo
) -> dict[str, Any]:
    """A row of drift_states: the statistics, and the crossings as instants."""
    last_at = day_begins(statistics.last_on, zone)
    turns = crossings(Posterior.of(statistics, priors), last_at)
    return {
        "clock": priors.clock,
        "customer_id": customer_id,
        "priors_id": priors_id,
        "n": statistics.n,
        "first_at": day_begins(statistics.first_on, zone),
        "last_at": last_at,
        "ee": statistics.ee,
        "dec": statistics.dec,
        "fst": statistics.fst,
        **vars(turns),
    }


def read_state(row: Any, zone: ZoneInfo) -> Statistics:
    """The statistics of a row of drift_states."""
    return Statistics(
        n=row.n,
        first_on=day_of(row.first_at, zone),
        last_on=day_of(row.last_at, zone),
        ee=row.ee,
        dec=row.dec,
        fst=row.fst,
    )
