"""How far behind the stored memberships of each segment are, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, select

from store.tables import customers, events, memberships, pending_changes, segment_states

# drift has passes too, whose name no segment can bear
IS_SEGMENT = ~segment_states.c.segment.startswith("~")


class Delay(StrEnum):
    """What a segment waits for."""

    NOTHING = ""
    CHANGES = "changes that nobody has looked at yet"
    CHECKS = "checks that are due"
    PASS = "an evaluation for everybody"
    FAILURE = "it cannot be evaluated"


@dataclass(frozen=True)
class Freshness:
    """Until when a segment's members are known to be right."""

    refreshed_at: datetime  # everything up to then is in it
    lag: timedelta
    waits_for: Delay
    share_done: float  # of the evaluation for everybody; 1 where none runs
    error: str = ""

    def in_words(self) -> str:
        match self.waits_for:
            case Delay.NOTHING:
                return "up to date"
            case Delay.PASS:
                return f"{self.share_done:.0%} of everybody looked at; {self._behind()}"
            case Delay.FAILURE:
                return f"failed, its members are kept: {self.error}; {self._behind()}"
            case _:
                return f"waits for {self.waits_for}; {self._behind()}"

    def _behind(self) -> str:
        return f"as of {self.refreshed_at:%Y-%m-%d %H:%M:%S} UTC"


def load_freshness(connection: Connection, now: datetime) -> dict[str, Freshness]:
    """Of every segment that was ever evaluated; each figure from an index."""
    changed_at = _oldest_change(connection, now)
    due_since = _oldest_checks(connection, now)
    highest = connection.scalar(select(func.max(customers.c.id))) or 1
    found: dict[str, Freshness] = {}
    for row in connection.execute(select(segment_states).where(IS_SEGMENT)):
        waits: Mapping[Delay, datetime | None] = {
            Delay.FAILURE: row.failed_at,
            Delay.PASS: None if row.finished_at else row.started_at,
            Delay.CHECKS: due_since.get(row.segment),
            Delay.CHANGES: changed_at,
        }
        since = [(delay, at) for delay, at in waits.items() if at is not None]
        share = 1.0 if row.finished_at else min(row.cursor / highest, 1.0)
        delay = since[0][0] if since else Delay.NOTHING
        refreshed_at = min((at for _, at in since), default=now)
        lag = max(now - refreshed_at, timedelta())
        found[row.segment] = Freshness(refreshed_at, lag, delay, share, row.error or "")
    return found


def _oldest_change(connection: Connection, now: datetime) -> datetime | None:
    """When the change that has waited longest came in."""
    oldest = select(pending_changes.c.event_id).order_by(pending_changes.c.id).limit(1)
    row = connection.execute(oldest).first()
    if row is None:
        return None
    received_at: datetime | None = connection.scalar(
        select(events.c.received_at).where(events.c.id == row.event_id)
    )
    return received_at or now


def _oldest_checks(connection: Connection, now: datetime) -> dict[str, datetime]:
    """Since when a check of each segment is due."""
    query = (
        select(memberships.c.segment, func.min(memberships.c.next_check_at).label("due_at"))
        .where(memberships.c.next_check_at <= now)
        .group_by(memberships.c.segment)
    )
    return {row.segment: row.due_at for row in connection.execute(query)}
