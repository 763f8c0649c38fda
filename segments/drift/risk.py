"""The risk in SQL: the same formula as `Posterior.inactive`, over stored statistics."""

from typing import Any

from sqlalchemy import ColumnElement, Float, case, cast, func

from segments.instants import Micros, greatest, micros
from store.tables import drift_priors, drift_states

DAY = 86_400_000_000.0  # microseconds


def risk_at(moment: Micros) -> ColumnElement[Any]:
    """The chance of no event within the horizon after `moment`; joins states to their priors."""
    state, prior = drift_states.c, drift_priors.c
    since_last = greatest(moment - micros(state.last_at), 0)
    silence: ColumnElement[Any] = cast(since_last, Float) / DAY
    ahead = _silent(silence + prior.horizon_days)
    return ahead / _silent(silence)


def _silent(silence: ColumnElement[Any]) -> ColumnElement[Any]:
    state, prior = drift_states.c, drift_priors.c
    gaps = cast(state.n - 1, Float)
    discounted = (1 - func.power(prior.rho, gaps)) / (1 - prior.rho)
    k = prior.r + case((prior.rho == 1, gaps), else_=discounted)
    scale = prior.alpha + state.ee
    dropout = prior.a / (prior.a + prior.b + gaps)
    survival: ColumnElement[Any] = func.power(scale / (scale + silence), k)
    return dropout + (1 - dropout) * survival
