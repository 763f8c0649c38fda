"""Parameters by maximum likelihood: which ones make the log of a workspace most likely?"""

from dataclasses import dataclass, replace

import numpy as np

from segments.drift.likelihood import Evidence, Parameters
from segments.drift.log import EventDays, Floats
from segments.drift.priors import Priors, default_priors

LARGEST_SAMPLE = 6_000  # customers
FEWEST_RETURNING = 200  # customers with a gap; with fewer the defaults are the better guess
RHOS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
WORTH_A_REBUILD = 10.0  # in log-likelihood: another rho makes everybody's statistics void
LOG_BOUND = 7.0  # each parameter lies within e^-7 and e^7


@dataclass(frozen=True)
class Fit:
    """The best parameters, and the logarithm of how likely they make the log."""

    parameters: Parameters
    log_likelihood: float


def fit_priors(
    days: EventDays, as_of: float, *, clock: str, horizon_days: float, rho: float | None = None
) -> Priors:
    """What a clock's log before `as_of` (days since 1970) teaches.

    `rho` is the one in force: another one must explain the log a good deal better. Without it the
    best one is taken.
    """
    known = days.before(as_of)
    defaults = default_priors(clock, known.gaps.tolist(), horizon_days=horizon_days)
    sample = known.sampled(LARGEST_SAMPLE)
    if int((sample.counts > 1).sum()) < FEWEST_RETURNING:
        return defaults if rho is None else replace(defaults, rho=rho)
    start = (defaults.r, defaults.alpha, defaults.a, defaults.b)
    fits: dict[float, Fit] = {}
    for each in RHOS:
        fits[each] = maximise(Evidence.of(sample, as_of, each), start)
        start = fits[each].parameters
    chosen = _choose(fits, rho)
    r, alpha, a, b = fits[chosen].parameters
    return replace(defaults, r=r, alpha=alpha, a=a, b=b, rho=chosen, sample=len(sample.counts))


def _choose(fits: dict[float, Fit], rho: float | None) -> float:
    best = max(fits, key=lambda each: fits[each].log_likelihood)
    if rho not in fits:
        return best
    gain = fits[best].log_likelihood - fits[rho].log_likelihood
    return best if gain > WORTH_A_REBUILD else rho


def maximise(evidence: Evidence, start: Parameters) -> Fit:
    """Climb from `start` to the most likely parameters (L-BFGS on their logarithms)."""
    # half a second that no command should wait for which does not fit anything
    from scipy.optimize import minimize

    def unlikeliness(logs: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = np.exp(logs)
        likelihood, slopes = evidence.log_likelihood((r, alpha, a, b))
        return -likelihood, -slopes * np.exp(logs)

    bounds = [(-LOG_BOUND, LOG_BOUND)] * len(start)
    begin = np.clip(np.log(start), -LOG_BOUND, LOG_BOUND)
    found = minimize(unlikeliness, begin, jac=True, method="L-BFGS-B", bounds=bounds)
    r, alpha, a, b = (float(each) for each in np.exp(found.x))
    return Fit((r, alpha, a, b), -float(found.fun))
