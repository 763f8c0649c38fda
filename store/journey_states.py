"""Which version those inside each journey were last brought to, and whether it is stopped."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from store.bulk import read_rows
from store.permission_changes import note_permission_change
from store.records import DefinitionId
from store.tables import journey_states
from store.upserts import insert_or_replace

STATES = select(journey_states)
STOPPED = select(journey_states.c.journey, journey_states.c.stopped).where(
    journey_states.c.stopped_at.is_not(None)
)


@dataclass(frozen=True)
class JourneyState:
    """How a journey was last seen to; `stopped` says who or what stopped it and why."""

    journey: str
    definition_id: DefinitionId
    status: str = "live"
    backfilled: bool = False
    stopped_at: datetime | None = None
    stopped: str = ""
    resumed_at: datetime | None = None


def load_journey_states(connection: Connection) -> Mapping[str, JourneyState]:
    states = (JourneyState(*row) for row in read_rows(connection, STATES))
    return {state.journey: state for state in states}


def find_stopped(connection: Connection) -> dict[str, str]:
    """The journeys that a person or their own breaker has stopped, each with the reason."""
    return dict(read_rows(connection, STOPPED))


def save_journey_state(tx: Connection, state: JourneyState) -> None:
    tx.execute(insert_or_replace(tx, journey_states), [vars(state)])
    note_permission_change(tx)
