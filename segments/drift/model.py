"""The lapse posterior: is this silence long for this customer, and will it last?

Personal cadence (Gamma-Poisson, so that silence survives as a Lomax) times the chance of having
dropped out after the last event (beta-geometric), with recent gaps counting more. With rho = 1 it
is the MBG/NBD model (Batislam, Denizel & Filiztekin 2007). All is closed form, crossings too.
"""

from dataclasses import dataclass

from segments.drift.priors import Priors
from segments.drift.statistics import Statistics


@dataclass(frozen=True)
class Posterior:
    """What is believed of one customer after their last event; silences are in days since then."""

    k: float  # shape of their cadence
    scale: float  # days
    dropout: float  # chance that the last event was the last for ever
    lapse_days: float
    horizon_days: float

    @classmethod
    def of(cls, statistics: Statistics, priors: Priors) -> "Posterior":
        return cls(
            k=priors.r + discounted_count(statistics.n - 1, priors.rho),
            scale=priors.alpha + statistics.ee,
            dropout=priors.a / (priors.a + priors.b + statistics.n - 1),
            lapse_days=priors.lapse_days,
            horizon_days=priors.horizon_days,
        )

    def survival(self, silence: float) -> float:
        """The chance that somebody still active stays silent at least that long."""
        return float((self.scale / (self.scale + silence)) ** self.k)

    def silent(self, silence: float) -> float:
        """The chance of a silence at least that long, active or not."""
        return self.dropout + (1 - self.dropout) * self.survival(silence)

    def gone(self, silence: float) -> float:
        """The chance that this is not slowness but an end."""
        return self.dropout / self.silent(silence)

    def inactive(self, silence: float) -> float:
        """The chance of no event within the horizon: the risk."""
        return self.silent(silence + self.horizon_days) / self.silent(silence)

    def stays(self, silence: float) -> float:
        """The chance that this silence reaches the lapse limit; 1 once it has."""
        if silence >= self.lapse_days:
            return 1.0
        return self.silent(self.lapse_days) / self.silent(silence)

    def crossing(self, level: float) -> float:
        """The silence at which `stays` reaches `level` if nothing happens; at most the limit."""
        at_limit = self.silent(self.lapse_days)
        if at_limit >= level:
            return 0.0
        left = (at_limit / level - self.dropout) / (1 - self.dropout)
        return float(min(self.scale * (left ** (-1 / self.k) - 1), self.lapse_days))

    @property
    def usual_gap(self) -> float:
        """The median length of the next gap, if there is one."""
        return median_gap(self.k, self.scale)


def discounted_count(gaps: int, rho: float) -> float:
    """How many gaps these are worth when each counts rho times the next newer one."""
    return float(gaps) if rho == 1 else (1 - rho**gaps) / (1 - rho)


def median_gap(k: float, scale: float) -> float:
    return float(scale * (2 ** (1 / k) - 1))
