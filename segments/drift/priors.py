"""What is believed of a customer before much is known of them, learned from everybody's gaps."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any, Self

MEDIAN_GAP_OF_NOBODY = 30.0  # days, until somebody has come twice
SHORTEST_LIMIT, LONGEST_LIMIT = 30.0, 730.0  # days
LAPSE_QUANTILE = 0.98  # of ended gaps: of a hundred silences that ended, two were longer
HORIZON_DAYS = 90.0
NOTICEABLE = 0.05  # a smaller share of change is not worth looking at everybody again


@dataclass(frozen=True)
class Pace:
    """How fast the past fades: by the gap (`rho`) and by the day (`horizon_days`)."""

    rho: float
    horizon_days: float


@dataclass(frozen=True)
class Priors:
    """Parameters of the lapse model for one clock; lengths are in days."""

    clock: str
    r: float  # shape of how rates differ between customers
    alpha: float  # scale of the same, days
    a: float  # chance to drop out after an event: beta(a, b)
    b: float
    rho: float  # weight of a gap against the next newer one
    lapse_days: float  # a silence that long is a loss
    horizon_days: float  # what `risk` looks ahead
    sample: int = 0  # customers the parameters were fitted on; 0: defaults
    counted: str = ""  # what winds the clock, and in which zone

    @classmethod
    def read(cls, row: Any) -> Self:
        """From a row of drift_priors."""
        return cls(**{field.name: getattr(row, field.name) for field in fields(cls)})

    @property
    def pace(self) -> Pace:
        return self.pace_of(self.horizon_days)

    def pace_of(self, horizon_days: float) -> Pace:
        """With another horizon than the one that is kept."""
        return Pace(self.rho, horizon_days)

    def is_close_to(self, other: "Priors") -> bool:
        """Whether their lengths of time hardly differ."""
        is_as_slow = abs(self.alpha - other.alpha) <= NOTICEABLE * other.alpha
        return is_as_slow and self.has_limit_of(other)

    def has_limit_of(self, other: "Priors") -> bool:
        """Whether a silence is a loss after about the same time."""
        return abs(self.lapse_days - other.lapse_days) <= NOTICEABLE * other.lapse_days


def default_priors(
    clock: str, gaps: Sequence[float], *, horizon_days: float = HORIZON_DAYS
) -> Priors:
    """Where nothing was fitted yet: the shape is fixed, the scale follows the median gap."""
    median = quantile(sorted(gaps), 0.5) if gaps else MEDIAN_GAP_OF_NOBODY
    return Priors(
        clock=clock,
        r=0.4,
        alpha=0.6 * median,
        a=0.6,
        b=1.4,
        rho=0.8,
        lapse_days=lapse_limit(gaps),
        horizon_days=horizon_days,
    )


def lapse_limit(gaps: Sequence[float]) -> float:
    """The length of silence that hardly any returning customer exceeds, kept within reason."""
    if not gaps:
        return LONGEST_LIMIT / 2
    return _within_reason(quantile(sorted(gaps), LAPSE_QUANTILE))


def lapse_limit_of(counts: Mapping[int, int]) -> float:
    """As `lapse_limit`, of how often each length in days was seen."""
    if not counts:
        return lapse_limit(())
    lengths = sorted(counts)
    reached = list(accumulate(counts[length] for length in lengths))

    def at(place: int) -> float:
        return float(lengths[bisect_right(reached, place)])

    return _within_reason(_between(at, reached[-1], LAPSE_QUANTILE))


def _within_reason(days: float) -> float:
    return min(max(days, SHORTEST_LIMIT), LONGEST_LIMIT)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between neighbours, as the usual definition (Hyndman & Fan 1996, type 7) has it."""
    return _between(ordered.__getitem__, len(ordered), share)


def _between(at: Callable[[int], float], count: int, share: float) -> float:
    place = share * (count - 1)
    below = int(place)
    above = min(below + 1, count - 1)
    return at(below) + (place - below) * (at(above) - at(below))
