"""How much there is to do and how late it is: what a monitor asks, each from an index."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, func, select, true

from store.tables import (
    alarms,
    effects,
    enrollments,
    memberships,
    messages,
    pending_changes,
    positions,
    segment_states,
)

# what becomes due, and the column that says when
DUE: Mapping[str, Column[Any]] = {
    "segment_check": memberships.c.next_check_at,
    "enrollment": positions.c.due_at,
    "message": messages.c.due_at,
    "effect": effects.c.due_at,
}


@dataclass(frozen=True)
class Backlog:
    """Work of one sort whose time has come."""

    count: int
    oldest_due_at: datetime | None


def load_backlogs(connection: Connection, now: datetime) -> dict[str, Backlog]:
    """What is due at `now`, by sort; held mails count from the instant they may go."""
    found = {}
    for sort, due_at in DUE.items():
        query = select(func.count(), func.min(due_at)).where(due_at <= now)
        count, oldest = connection.execute(query).one()
        found[sort] = Backlog(count, oldest)
    return found


def count_pending_changes(connection: Connection) -> int:
    """Customers' changes that no segment has seen yet."""
    return int(connection.scalar(select(func.count()).select_from(pending_changes)) or 0)


def count_by_status(connection: Connection) -> dict[str, int]:
    """All messages ever, by what became of them."""
    return _counted(connection, messages.c.status)


def count_active_by_journey(connection: Connection) -> dict[str, int]:
    return _counted(connection, enrollments.c.journey, enrollments.c.ended_at.is_(None))


def count_alarms(connection: Connection) -> dict[str, int]:
    """Alarms that nobody cleared, by kind."""
    return _counted(connection, alarms.c.kind, alarms.c.cleared_at.is_(None))


def load_refreshed(connection: Connection) -> dict[str, datetime]:
    """When each segment was last brought up to date for everybody; unfinished ones are left out."""
    query = select(segment_states.c.segment, segment_states.c.refreshed_at).where(
        segment_states.c.refreshed_at.is_not(None)
    )
    return {row.segment: row.refreshed_at for row in connection.execute(query)}


def _counted(connection: Connection, column: Column[str], where: Any = None) -> dict[str, int]:
    query = select(column, func.count()).where(true() if where is None else where).group_by(column)
    return {row[0]: row[1] for row in connection.execute(query)}
