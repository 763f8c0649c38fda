"""Parameters by maximum likelihood: which ones make the log of a workspace most likely?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from segments.drift.likelihood import Evidence, Parameters
from segments.drift.log import EventDays, Floats
from segments.drift.priors import Priors, default_priors

LARGEST_SAMPLE = 6_000  # customers
FEWEST_RETURNING = 200  # customers with a gap; with fewer the defaults are the better guess
RHOS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
WORTH_A_REBUILD = 10.0  # in log-likelihood: another rho makes everybody's statistics void
WORTH_A_LOOK = 2.0  # in log-likelihood: everybody's states are then made anew
# of r, alpha (days), a, b; a smaller r would need powers beyond the range of a double
BOUNDS = ((0.05, 20.0), (0.01, 1_000.0), (0.001, 1_000.0), (0.001, 1_000.0))


@dataclass(frozen=True)
class Fit:
    """The best parameters, and the logarithm of how likely they make the log."""

    parameters: Parameters
    log_likelihood: float


def fit_priors(
    days: EventDays,
    as_of: float,
    *,
    clock: str,
    horizon_days: float,
    now: Priors | None = None,
    lapse_days: float | None = None,
) -> Priors:
    """What a clock's log before `as_of` (days since 1970) teaches.

    `now` are the ones in force: they stay unless others explain the log better, and so does their
    rho unless another explains it a good deal better. `lapse_days`: the limit of everybody, where
    `days` are of some.
    """
    known = days.before(as_of)
    defaults = default_priors(clock, known.gaps.tolist(), horizon_days=horizon_days)
    if lapse_days is not None:
        defaults = replace(defaults, lapse_days=lapse_days)
    sample = known.sampled(LARGEST_SAMPLE)
    if int((sample.counts > 1).sum()) < FEWEST_RETURNING:
        is_settled = now is not None and now.sample == 0 and defaults.is_close_to(now)
        return now if now is not None and is_settled else defaults
    settled = now if now is not None and now.sample else None
    evidence = {rho: Evidence.of(sample, as_of, rho) for rho in _worth_trying(settled)}
    begin = settled or defaults
    fits = _fit_each(evidence, (begin.r, begin.alpha, begin.a, begin.b))
    chosen = _choose(fits, None if now is None else now.rho)
    if now is not None and _still_holds(now, defaults, evidence, fits[chosen]):
        return now
    r, alpha, a, b = fits[chosen].parameters
    return replace(defaults, r=r, alpha=alpha, a=a, b=b, rho=chosen, sample=len(sample.counts))


def _worth_trying(settled: Priors | None) -> Sequence[float]:
    """All discounts at first; once one is in force, it and its neighbours, night by night."""
    if settled is None or settled.rho not in RHOS:
        return RHOS
    place = RHOS.index(settled.rho)
    return RHOS[max(place - 1, 0) : place + 2]


def _fit_each(evidence: Mapping[float, Evidence], start: Parameters) -> dict[float, Fit]:
    fits: dict[float, Fit] = {}
    for rho, each in evidence.items():
        fits[rho] = maximise(each, start)
        start = fits[rho].parameters  # the next rho's are not far
    return fits


def _choose(fits: Mapping[float, Fit], rho: float | None) -> float:
    best = max(fits, key=lambda each: fits[each].log_likelihood)
    if rho is None or rho not in fits:
        return best
    gain = fits[best].log_likelihood - fits[rho].log_likelihood
    return best if gain > WORTH_A_REBUILD else rho


def _still_holds(
    now: Priors, defaults: Priors, evidence: Mapping[float, Evidence], best: Fit
) -> bool:
    """Whether the parameters in force explain the log as well as any."""
    if now.sample == 0 or now.rho not in evidence or not now.has_limit_of(defaults):
        return False
    explained, _ = evidence[now.rho].log_likelihood((now.r, now.alpha, now.a, now.b))
    return best.log_likelihood - explained <= WORTH_A_LOOK


def maximise(evidence: Evidence, start: Parameters) -> Fit:
    """Climb from `start` to the most likely parameters (L-BFGS on their logarithms)."""
    # half a second that no command should wait for which does not fit anything
    from scipy.optimize import minimize

    def unlikeliness(logs: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = np.exp(logs)
        likelihood, slopes = evidence.log_likelihood((r, alpha, a, b))
        return -likelihood, -slopes * np.exp(logs)

    bounds = np.log(BOUNDS)
    begin = np.clip(np.log(start), bounds[:, 0], bounds[:, 1])
    found = minimize(unlikeliness, begin, jac=True, method="L-BFGS-B", bounds=bounds)
    r, alpha, a, b = (float(each) for each in np.exp(found.x))
    return Fit((r, alpha, a, b), -float(found.fun))
