"""What can be said of customers' drift now: their stored states, read with the priors they were
made with.
"""

from collections.abc import Collection
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from segments.drift.figures import DriftFigures
from segments.drift.priors import Priors
from segments.drift.states import DriftState, figures
from store.drift import load_priors_of, load_states
from store.records import CustomerId


def load_figures(
    connection: Connection,
    customer_ids: Collection[int] | None,
    now: datetime,
    zone: ZoneInfo,
    clock: str = "goal",
) -> dict[CustomerId, DriftFigures]:
    """The figures at `now` of those (or all) who were ever active; `zone` is the brand's."""
    rows = load_states(connection, customer_ids, clock)
    versions = load_priors_of(connection, {row.priors_id for row in rows})
    priors = {row.id: Priors.read(row) for row in versions}
    return {
        CustomerId(row.customer_id): figures(DriftState.read(row), priors[row.priors_id], now, zone)
        for row in rows
        if row.priors_id in priors
    }
