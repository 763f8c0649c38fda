"""What each process says of its lanes, and how much waits in them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, func, select

from store.holds import IS_ANY
from store.tables import (
    calendars,
    effects,
    lanes,
    memberships,
    messages,
    positions,
    provider_states,
)
from store.upserts import insert_or_replace


@dataclass(frozen=True)
class LaneState:
    """One lane of one process, as it last said."""

    holder: str
    lane: str
    threads: int
    busy: int  # of them at work
    busy_since: datetime | None  # on the piece that has taken longest so far
    busy_with: str
    progress_at: datetime | None  # when a piece was last finished
    said_at: datetime


@dataclass(frozen=True)
class Waiting:
    """Work of one lane whose time has come and that nobody has begun."""

    count: int
    oldest_due_at: datetime | None


def save_lanes(tx: Connection, states: Sequence[LaneState]) -> None:
    if states:
        tx.execute(insert_or_replace(tx, lanes), [asdict(state) for state in states])


def forget_lanes(tx: Connection, holder: str, before: datetime) -> None:
    """This process is going; of those that went without a word, what they said before then."""
    tx.execute(delete(lanes).where((lanes.c.holder == holder) | (lanes.c.said_at < before)))


def load_lanes(connection: Connection) -> list[LaneState]:
    query = select(
        lanes.c.holder,
        lanes.c.lane,
        lanes.c.threads,
        lanes.c.busy,
        lanes.c.busy_since,
        lanes.c.busy_with,
        lanes.c.progress_at,
        lanes.c.said_at,
    ).order_by(lanes.c.lane, lanes.c.holder)
    return [LaneState(*row) for row in connection.execute(query)]


def load_waiting(connection: Connection, now: datetime) -> Mapping[str, Waiting]:
    """Return what waits at `now`, by lane. Nothing that is held may leave, so none of it waits; nor
    do emails while a provider is paused, of which its own alarm tells.
    """

    def waiting(due_at: ColumnElement[datetime], *more: ColumnElement[bool]) -> Waiting:
        query = select(func.count(), func.min(due_at, type_=due_at.type))
        count, oldest = connection.execute(query.where(due_at <= now, *more)).one()
        return Waiting(count, oldest)

    due = effects.c.due_at
    is_paused = exists().where(provider_states.c.paused_until > now)
    moving = [
        waiting(positions.c.due_at),
        waiting(memberships.c.next_check_at),
        waiting(calendars.c.due_at),
    ]
    oldest = [work.oldest_due_at for work in moving if work.oldest_due_at is not None]
    return {
        "journeys": Waiting(sum(work.count for work in moving), min(oldest, default=None)),
        "emails": waiting(messages.c.due_at, messages.c.claimed_by.is_(None), ~IS_ANY, ~is_paused),
        "webhooks": waiting(due, effects.c.kind == "webhook", ~IS_ANY),
        "notices": waiting(due, effects.c.kind == "notify", ~IS_ANY),
    }
