"""The risk, corrected by what became of the workspace's own silences.

A ridge logistic regression on silences of the past whose outcome is known. What rises with silence
has no negative weight, so that the risk never falls while somebody stays silent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from segments.drift.correction import AS_IT_IS, CERTAIN, Recalibration
from segments.drift.log import EventDays, Floats, Rhythms, Whole
from segments.drift.model import Posterior
from segments.drift.priors import Priors

LOOKS_BACK = (1.0, 1.5, 2.0)  # in horizons: the instants whose silences are learned from
LONGEST_SHARE = 1 / 3  # of the log: a shorter log teaches with a shorter horizon
FEWEST_CUSTOMERS, FEWEST_OF_A_KIND = 150, 30  # in one look back
MOST_OFF = 0.10  # between what was foretold and what came; beyond, nothing is corrected
RIDGE = 1e-3  # on standardised inputs


def corrected_risks(recalibration: Recalibration, inputs: Floats) -> Floats:
    """Return the corrected chances; `inputs` has a row a customer."""
    its = recalibration
    weights = np.array([its.chance, its.silence, its.count, its.recent, its.other])
    chances: Floats = 1 / (1 + np.exp(-(its.intercept + inputs @ weights)))
    return chances


@dataclass(frozen=True)
class Clock:
    """One clock's log and what was learned from it."""

    days: EventDays
    priors: Priors


@dataclass(frozen=True)
class Look:
    """The silences at one instant in the past, and whether each outlasted the horizon."""

    inputs: Floats
    lasted: Floats

    @property
    def teaches(self) -> bool:
        kinds = self.lasted.sum(), len(self.lasted) - self.lasted.sum()
        return len(self.lasted) >= FEWEST_CUSTOMERS and min(kinds) >= FEWEST_OF_A_KIND


def recalibrate(clock: Clock, as_of: float, other: Clock | None = None) -> Recalibration:
    """What the silences before `as_of` (days since 1970) teach, if there are enough of them."""
    known = clock.days.before(as_of)
    if not len(known.days):
        return AS_IT_IS
    span = as_of - float(known.days.min())
    horizon = min(clock.priors.horizon_days, span * LONGEST_SHARE)
    looks = [_look_back(clock, as_of - back * horizon, horizon, other) for back in LOOKS_BACK]
    teaching = [look for look in looks if look.teaches]
    if not teaching:
        return AS_IT_IS
    learned = _regress(teaching)
    off_by = float(corrected_risks(learned, looks[0].inputs).mean() - looks[0].lasted.mean())
    found = replace(learned, off_by=off_by)
    return found if abs(found.off_by) <= MOST_OFF else Recalibration(off_by=off_by)


def inputs_at(
    clock: Clock, day: float, horizon: float, other: Clock | None = None
) -> tuple[Rhythms, Floats]:
    """Everybody who was ever active before `day`, and what the regression is told of them."""
    known = clock.days.before(day)
    rhythms = known.rhythms(clock.priors.pace_of(horizon))
    silence = day - rhythms.last
    chance = _log_odds(_posterior(rhythms, clock.priors, horizon).inactive(silence))
    return rhythms, np.column_stack(
        [
            chance,
            silence * 3 * np.log(2) / horizon - np.log(rhythms.fst),
            np.log(rhythms.n),
            np.log(rhythms.dec),
            0 * chance if other is None else _of_other(other, day, horizon, rhythms.ids, chance),
        ]
    )


def _of_other(other: Clock, day: float, horizon: float, ids: Whole, instead: Floats) -> Floats:
    """What the other clock says of these customers; where it never started, `instead`."""
    theirs, inputs = inputs_at(other, day, horizon)
    if not len(theirs.ids):
        return instead
    place = np.minimum(np.searchsorted(theirs.ids, ids), len(theirs.ids) - 1)
    return np.where(theirs.ids[place] == ids, inputs[place, 0], instead)


def _look_back(clock: Clock, day: float, horizon: float, other: Clock | None) -> Look:
    """Those not yet lost by then: whoever is lost is no longer a question."""
    rhythms, inputs = inputs_at(clock, day, horizon, other)
    lasted = ~np.isin(rhythms.ids, clock.days.within(day, day + horizon))
    is_open = day - rhythms.last < clock.priors.lapse_days
    return Look(inputs[is_open], lasted[is_open].astype(np.float64))


def _regress(looks: Sequence[Look]) -> Recalibration:
    from scipy.optimize import minimize  # see `fitting.maximise`

    inputs = np.vstack([look.inputs for look in looks])
    lasted = np.concatenate([look.lasted for look in looks])
    middle, spread = inputs.mean(axis=0), inputs.std(axis=0) + CERTAIN
    standard = (inputs - middle) / spread

    def loss(weights: Floats) -> tuple[float, Floats]:
        odds = weights[0] + standard @ weights[1:]
        error = 1 / (1 + np.exp(-odds)) - lasted
        value = (np.logaddexp(0, odds) - lasted * odds).mean() + RIDGE / 2 * (
            weights[1:] ** 2
        ).sum()
        slopes = standard.T @ error / len(lasted) + RIDGE * weights[1:]
        return float(value), np.concatenate([[error.mean()], slopes])

    rising, any_sign = (0, None), (None, None)
    bounds = [any_sign, rising, rising, any_sign, any_sign, rising]
    found = minimize(loss, [0.0, 1.0, 0, 0, 0, 0], jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = found[1:] / spread
    intercept = float(found[0] - middle @ weights)
    chance, silence, count, recent, of_other = (float(weight) for weight in weights)
    return Recalibration(intercept, chance, silence, count, recent, of_other, len(lasted))


def _posterior(rhythms: Rhythms, priors: Priors, horizon: float) -> Posterior[Floats]:
    return Posterior.of(rhythms.n, rhythms.ee, priors, horizon)


def _log_odds(chances: Floats) -> Floats:
    kept = np.clip(chances, CERTAIN, 1 - CERTAIN)
    odds: Floats = np.log(kept / (1 - kept))
    return odds
