"""What `evaluate` has yet to look at: taken and deleted in the transaction that does the work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, select, update

from store.bulk import read_rows
from store.records import NOBODY, CustomerId, EventId
from store.tables import event_kinds, events, pending_changes


@dataclass(frozen=True)
class Change:
    """Word that a customer's picture changed, by an event or otherwise."""

    id: int
    customer_id: CustomerId
    event_id: EventId | None
    is_evaluated: bool = False  # a pass over everybody has looked at this customer since


@dataclass(frozen=True)
class FreshEvent:
    """An event that nobody has acted on yet."""

    id: EventId
    customer_id: CustomerId
    name: str
    occurred_at: datetime
    received_at: datetime
    known_at: datetime
    properties: Mapping[str, Any]


IDS: BindParameter[Any] = bindparam("ids", expanding=True)
OLDEST = (
    select(
        pending_changes.c.id,
        pending_changes.c.customer_id,
        pending_changes.c.event_id,
        pending_changes.c.is_evaluated,
    )
    .order_by(pending_changes.c.id)
    .limit(bindparam("limit_rows"))
    .with_for_update(skip_locked=True)
)
FRESH = (
    select(
        events.c.id,
        events.c.customer_id,
        event_kinds.c.name,
        events.c.occurred_at,
        events.c.received_at,
        events.c.known_at,
        events.c.properties,
    )
    .join(event_kinds, event_kinds.c.id == events.c.kind_id)
    .where(events.c.id.in_(IDS), events.c.customer_id != NOBODY)
    .order_by(events.c.occurred_at, events.c.id)
)
DROP = delete(pending_changes).where(pending_changes.c.id.in_(IDS))


def claim_changes(tx: Connection, limit_rows: int) -> list[Change]:
    """The oldest changes, locked for this transaction; another worker's are passed over."""
    return [Change(*row) for row in read_rows(tx, OLDEST, {"limit_rows": limit_rows})]


def load_fresh(tx: Connection, changes: Sequence[Change]) -> list[FreshEvent]:
    """The events among `changes`, by when they occurred, then as they arrived."""
    ids = [one.event_id for one in changes if one.event_id is not None]
    return [FreshEvent(*row) for row in tx.execute(FRESH, {"ids": ids})]


def drop_changes(tx: Connection, changes: Sequence[Change]) -> None:
    """They have been looked at."""
    if changes:
        tx.execute(DROP, {"ids": [one.id for one in changes]})


def mark_evaluated(tx: Connection, customer_ids: Sequence[CustomerId]) -> None:
    """These customers were just looked at in every respect; only starts are left to do."""
    tx.execute(
        update(pending_changes)
        .where(pending_changes.c.customer_id.in_(customer_ids))
        .values(is_evaluated=True)
    )
