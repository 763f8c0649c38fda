"""What was changed by hand, and how far the engine had looked by then: a simulation, which sees
only what came of looking, does it again at the right place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select

from store.tables import consents, customers, events, interventions, pending_changes, traits

Kind = Literal["applied", "stopped", "resumed", "taken_out", "merged", "imported"]
IMPORTED = (customers, traits, consents)  # where a file of customers leaves rows


@dataclass(frozen=True)
class Intervention:
    """One change by hand; `said` has what is needed to do it again."""

    id: int
    kind: Kind
    said: Mapping[str, Any]
    known_at: datetime
    last_event_id: int  # the newest event that there was; 0: none
    waiting_event_id: int | None  # the first that nobody had looked at; None: there was none


def record_intervention(tx: Connection, kind: Kind, said: Mapping[str, Any], now: datetime) -> None:
    """Keep it, in the transaction that does it."""
    row = {
        "kind": kind,
        "said": dict(said),
        "known_at": now,
        "last_event_id": tx.scalar(select(func.max(events.c.id))) or 0,
        "waiting_event_id": tx.scalar(select(func.min(pending_changes.c.event_id))),
    }
    tx.execute(insert(interventions).values(row))


def last_resumed(connection: Connection, journey: str | None = None) -> datetime | None:
    """When somebody last let a journey go on, this one or whichever."""
    query = select(func.max(interventions.c.known_at, type_=interventions.c.known_at.type)).where(
        interventions.c.kind == "resumed"
    )
    if journey is not None:
        query = query.where(interventions.c.said["journey"].as_string() == journey)
    resumed_at: datetime | None = connection.scalar(query)
    return resumed_at


def last_rows(tx: Connection) -> dict[str, int]:
    """The newest row of each table in which an import leaves some; 0: none."""
    return {one.name: tx.scalar(select(func.max(one.c.id))) or 0 for one in IMPORTED}


def load_interventions(connection: Connection) -> list[Intervention]:
    """All of them, in their order."""
    rows = connection.execute(select(interventions).order_by(interventions.c.id))
    return [Intervention(*row) for row in rows]
