"""The formulas of `model` in SQL, over the statistics of a row, with the priors as parameters."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    type_coerce,
)

from segments.drift.correction import CERTAIN, Recalibration
from segments.drift.priors import Priors
from segments.drift.states import COOLING, DORMANT, DRIFTING
from segments.instants import Micros, greatest, least

Real = ColumnElement[Any]

DAY = 86_400_000_000.0  # microseconds
# PostgreSQL raises an error where a power would leave the range of a double
SMALLEST_EXPONENT, LONGEST_PAST = -600.0, 900.0
LARGEST_ODDS = 500.0  # in logarithms
USUAL_GAP_SURVIVAL = 0.5  # the usual gap is the median of the next one


@dataclass(frozen=True)
class Terms:
    """The names under which a statement is given one clock's priors."""

    prefix: str = "prior_"

    def __getattr__(self, name: str) -> Real:
        return bindparam(f"{self.prefix}{name}", type_=Float)

    def values(self, priors: Priors) -> dict[str, float]:
        names = ("r", "alpha", "a", "b", "rho", "lapse_days", "horizon_days")
        return {f"{self.prefix}{name}": float(getattr(priors, name)) for name in names}


@dataclass(frozen=True)
class Belief:
    """A `Posterior` in SQL: what is believed of the customer of each row."""

    n: Real
    ee: Real
    terms: Terms

    @property
    def k(self) -> Real:
        """With rho = 1 every gap counts 1; else they add up to no more than a limit."""
        gaps, rho = cast(self.n - 1, Float), self.terms.rho
        gap_limit = 1 / real(func.nullif(1 - rho, 0))
        faded = (self.terms.r + gap_limit) - gap_limit * faded_by(rho, gaps)
        return real(case((rho == 1, self.terms.r + gaps), else_=faded))

    @property
    def scale(self) -> Real:
        return self.terms.alpha + self.ee

    @property
    def odds(self) -> Real:
        """Of having left after the last event: dropout / (1 - dropout)."""
        return self.terms.a / (self.terms.b - 1 + self.n)

    def survival(self, silence: Real) -> Real:
        faded = self.k * func.ln(self.scale / (self.scale + silence))
        return func.exp(real(greatest(faded, constant(SMALLEST_EXPONENT))))

    def inactive(self, silence: Real) -> Real:
        ahead = self.survival(silence + self.terms.horizon_days)
        chance: Real = (self.odds + ahead) / (self.odds + self.survival(silence))
        return chance

    def survival_at(self, level: float) -> Real:
        """The survival at which the chance that the silence lasts reaches this level."""
        lapsing = self.survival(self.terms.lapse_days)
        reached: Real = lapsing * constant(1 / level) + self.odds * constant(1 / level - 1)
        return reached

    def crossing(self, survival: Real) -> Real:
        """Days of silence until no more than that survival is left, at most the lapse limit."""
        silence = self.scale * (func.power(survival, -1 / self.k) - 1)
        return real(least(self.terms.lapse_days, greatest(constant(0.0), silence)))

    def crossings(self, last_at: Micros) -> dict[str, Micros]:
        """The instants at which states begin, as `states` has them.

        Survivals are compared before they become days, which is what costs.
        """
        drifting = self.survival_at(DRIFTING)
        not_before = least(self.survival_at(COOLING), constant(USUAL_GAP_SURVIVAL))
        return {
            "cooling_at": last_at
            + in_microseconds(self.crossing(real(greatest(drifting, not_before)))),
            "drifting_at": last_at + in_microseconds(self.crossing(drifting)),
            "dormant_at": last_at + in_microseconds(self.crossing(self.survival_at(DORMANT))),
            "lost_at": last_at + in_microseconds(self.terms.lapse_days),
        }


WEIGHTS = ("intercept", "chance", "silence", "count", "recent", "other")


def weights_of(recalibration: Recalibration) -> dict[str, float]:
    """What a statement with `corrected` is run with."""
    return {f"weight_{name}": float(getattr(recalibration, name)) for name in WEIGHTS}


def corrected(
    chance: Real, other: Real, silence: Real, n: Real, dec: Real, fst: Real, horizon: Real
) -> Real:
    """The risk: the model's chance, corrected as `Recalibration.risk` does it."""
    weight = {name: bindparam(f"weight_{name}", type_=Float) for name in WEIGHTS}
    odds = (
        weight["intercept"]
        + weight["chance"] * log_odds(chance)
        + weight["silence"] * (silence * 3 * func.ln(constant(2.0)) / horizon - func.ln(fst))
        + weight["count"] * func.ln(cast(n, Float))
        + weight["recent"] * func.ln(dec)
        + weight["other"] * log_odds(other)
    )
    kept = least(constant(LARGEST_ODDS), greatest(constant(-LARGEST_ODDS), odds))
    return 1 / (1 + func.exp(-real(kept)))


def log_odds(chance: Real) -> Real:
    kept = real(least(constant(1 - CERTAIN), greatest(constant(CERTAIN), chance)))
    odds: Real = func.ln(kept / (1 - kept))
    return odds


def faded_by(base: Real, times: Real) -> Real:
    """`base` to the power of `times`, where both are real and `base` is at most 1."""
    faded: Real = func.power(base, real(least(times, constant(LONGEST_PAST))))
    return faded


def halved(age: Real, horizon: Real) -> Real:
    """What is left after `age` days of what halves with every `horizon`."""
    exponent = real(least(age / horizon, constant(LONGEST_PAST)))
    left: Real = func.power(constant(2.0), -exponent)
    return left


def in_microseconds(days: Real) -> Micros:
    return cast(func.round(days * constant(DAY)), BigInteger)


def constant(value: float) -> Real:
    """Part of the statement itself: a hundred parameters would cost more than the work."""
    return literal_column(repr(value), Float)


def real(expression: Any) -> Real:
    return type_coerce(expression, Float)
