"""The lapse posterior: is this silence long for this customer, and will it last?

Personal cadence (Gamma-Poisson, so that silence survives as a Lomax) times the chance of having
dropped out after the last event (beta-geometric), with recent gaps counting more. With rho = 1 it
is the MBG/NBD model (Batislam, Denizel & Filiztekin 2007). All is closed form, crossings too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from segments.drift.priors import Priors

if TYPE_CHECKING:  # the same formulas serve one customer and an array of them
    import numpy as np
    from numpy.typing import NDArray

Number = TypeVar("Number", float, "NDArray[np.float64]")


@dataclass(frozen=True)
class Posterior(Generic[Number]):
    """What is believed of one customer after their last event; silences are in days since then."""

    k: Number  # shape of their cadence
    scale: Number  # days
    dropout: Number  # chance that the last event was the last for ever
    lapse_days: float
    horizon_days: float

    @classmethod
    def of(cls, n: Number, ee: Number, priors: Priors, horizon_days: float) -> "Posterior[Number]":
        return Posterior(
            k=priors.r + discounted_count(n - 1, priors.rho),
            scale=priors.alpha + ee,
            dropout=priors.a / (priors.a + priors.b + n - 1),
            lapse_days=priors.lapse_days,
            horizon_days=horizon_days,
        )

    def survival(self, silence: Number) -> Number:
        """The chance that somebody still active stays silent at least that long."""
        chance: Number = (self.scale / (self.scale + silence)) ** self.k
        return chance

    def silent(self, silence: Number) -> Number:
        """The chance of a silence at least that long, active or not."""
        return self.dropout + (1 - self.dropout) * self.survival(silence)

    def inactive(self, silence: Number) -> Number:
        """The chance of no event within the horizon."""
        return self.silent(silence + self.horizon_days) / self.silent(silence)

    def stays(self: "Posterior[float]", silence: float) -> float:
        """The chance that this silence reaches the lapse limit; 1 once it has."""
        if silence >= self.lapse_days:
            return 1.0
        return self.silent(self.lapse_days) / self.silent(silence)

    @property
    def usual_gap(self: "Posterior[float]") -> float:
        """The median length of the next gap, if there is one."""
        return median_gap(self.k, self.scale)


def discounted_count(gaps: Number, rho: float) -> Number:
    """How many gaps these are worth when each counts rho times the next newer one."""
    if rho == 1:
        return gaps
    faded: Number = rho**gaps
    return (1 - faded) / (1 - rho)


def median_gap(k: float, scale: float) -> float:
    return float(scale * (2 ** (1 / k) - 1))
