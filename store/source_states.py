"""How far the databases of others have been read, and since when one cannot be."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from store.tables import source_states
from store.upserts import insert_or_replace


@dataclass(frozen=True)
class SourceState:
    """One part of a source; what the next reading begins with."""

    source: str
    part: str  # customers, events
    digest: str  # of the query and its mapping: another is read from the beginning
    cursor: Mapping[str, Any] | None = None
    begun_at: datetime | None = None
    caught_up_at: datetime | None = None
    first_caught_up_at: datetime | None = None
    accepted: int = 0
    rejected: int = 0
    failed_at: datetime | None = None
    error: str | None = None


def load_source_states(connection: Connection, source: str | None = None) -> list[SourceState]:
    """Return the states of a source, or of all, customers first."""
    query = select(
        source_states.c.source,
        source_states.c.part,
        source_states.c.digest,
        source_states.c.cursor,
        source_states.c.begun_at,
        source_states.c.caught_up_at,
        source_states.c.first_caught_up_at,
        source_states.c.accepted,
        source_states.c.rejected,
        source_states.c.failed_at,
        source_states.c.error,
    ).order_by(source_states.c.source, source_states.c.part)
    if source is not None:
        query = query.where(source_states.c.source == source)
    return [SourceState(*row) for row in connection.execute(query)]


def save_source_state(tx: Connection, state: SourceState) -> None:
    """Keep where a reading stands, in the transaction of the rows that it counts."""
    tx.execute(insert_or_replace(tx, source_states), [vars(state)])


def note_failure(tx: Connection, source: str, error: str, now: datetime) -> None:
    """Keep since when a source cannot be read, and why."""
    is_its = source_states.c.source == source
    tx.execute(update(source_states).where(is_its).values(error=error))
    first = is_its & source_states.c.failed_at.is_(None)
    tx.execute(update(source_states).where(first).values(failed_at=now))


def forget_source(tx: Connection, source: str) -> None:
    """Have it read from the beginning; what is stored already is not stored again."""
    tx.execute(delete(source_states).where(source_states.c.source == source))
