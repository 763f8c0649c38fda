"""Events: written once each by `message_id`, read along a customer's timeline."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from store.kinds import Kind, intern_kinds
from store.records import Actor, CustomerId, EventId, StoredEvent
from store.sets import find_rows, insert_new_rows, insert_rows
from store.tables import event_kinds, events, microseconds, pending_changes, write_json

LATEST = (
    select(events.c.properties)
    .where(events.c.kind_id == bindparam("kind"))
    .order_by(events.c.occurred_at.desc())
    .limit(200)
)
NOTED = (
    pending_changes.c.customer_id,
    pending_changes.c.event_id,
    pending_changes.c.is_evaluated,
)
STORED = (
    events.c.customer_id,
    events.c.kind_id,
    events.c.occurred_at,
    events.c.received_at,
    events.c.known_at,
    events.c.message_id,
    events.c.source,
    events.c.original_name,
    events.c.properties,
)
OWN = "rekindle"  # source of our own facts; nobody else's message id may begin with it and a colon


class NewEvent(NamedTuple):
    """An event that is ready to be stored: its customer, or nobody yet, is decided."""

    customer_id: CustomerId
    kind: Kind
    occurred_at: datetime
    known_at: datetime
    message_id: str
    source: str
    original_name: str | None
    properties: Mapping[str, Any]


def find_events(connection: Connection, message_ids: Collection[str]) -> dict[str, EventId]:
    """The events that are already stored under these message ids."""
    columns = (events.c.message_id, events.c.id)
    found = find_rows(connection, events.c.message_id, message_ids, columns)
    return {message_id: EventId(number) for message_id, number in found}


def insert_events(
    tx: Connection, items: Sequence[NewEvent], received_at: datetime
) -> dict[str, EventId]:
    """Store `items` in their order; what another writer stored first is left out of the answer."""
    if not items:
        return {}
    kinds = intern_kinds(tx, (item.kind for item in items))
    received = microseconds(received_at)
    rows = [
        (
            item.customer_id,
            kinds[item.kind],
            microseconds(item.occurred_at),
            received,
            microseconds(item.known_at),
            item.message_id,
            item.source,
            item.original_name,
            write_json(item.properties),
        )
        for item in items
    ]
    written = insert_new_rows(tx, STORED, rows, events.c.message_id)
    return {message_id: EventId(number) for message_id, number in written.items()}


def note_changes(tx: Connection, changes: Iterable[tuple[CustomerId, EventId | None]]) -> None:
    """Leave word that these customers must be looked at again, and because of which event."""
    insert_rows(tx, NOTED, [(customer, event, 0) for customer, event in changes if customer])


def is_more_known(connection: Connection, customer_id: CustomerId, at: datetime) -> bool:
    """Whether anything about this customer became known after `at`."""
    later = select(events.c.id).where(events.c.customer_id == customer_id, events.c.known_at > at)
    return connection.execute(later.limit(1)).first() is not None


def load_timeline(
    connection: Connection, customer_id: CustomerId, at: datetime
) -> list[StoredEvent]:
    """Everything one customer did and had done to them up to `at`, in event order."""
    rows = connection.execute(
        select(events, event_kinds.c.name, event_kinds.c.channel, event_kinds.c.actor)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .where(
            events.c.customer_id == customer_id,
            events.c.occurred_at <= at,
            events.c.known_at <= at,
        )
        .order_by(events.c.occurred_at, events.c.id)
    )
    return [
        StoredEvent(
            id=EventId(row.id),
            customer_id=customer_id,
            name=row.name,
            channel=row.channel,
            actor=Actor(row.actor),
            occurred_at=row.occurred_at,
            known_at=row.known_at,
            message_id=row.message_id,
            source=row.source,
            original_name=row.original_name,
            properties=row.properties,
        )
        for row in rows
    ]


def load_latest_properties(connection: Connection, name: str) -> list[Mapping[str, Any]]:
    """What the latest events of that name say of themselves: of each kind so many."""
    kinds = connection.scalars(select(event_kinds.c.id).where(event_kinds.c.name == name)).all()
    return [
        properties for kind in kinds for properties in connection.scalars(LATEST, {"kind": kind})
    ]
