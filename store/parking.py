"""Events without a customer wait for each identity they came with, until one is somebody's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, delete, literal, select, update

from store.identities import (
    ANONYMOUS,
    EMAIL,
    EXTERNAL,
    HELPDESK,
    PERSONAL,
    PHONE,
    Link,
    identity_in,
    insert_links,
    load_owners,
)
from store.records import CustomerId, EventId, Identity
from store.tables import Instant, event_kinds, events, parked_events
from store.upserts import insert_or_skip

CERTAINTY = (EXTERNAL, EMAIL, PHONE, ANONYMOUS, HELPDESK)  # most certain first


@dataclass(frozen=True)
class Joined:
    """An event that was parked and now has its customer."""

    id: EventId
    customer_id: CustomerId
    name: str
    occurred_at: datetime
    source: str
    properties: Mapping[str, Any]


def park(tx: Connection, waiting: Iterable[tuple[EventId, Identity]]) -> None:
    """Let each event wait for these identities."""
    rows = [{"event_id": event, "kind": i.kind, "value": i.value} for event, i in waiting]
    if rows:
        tx.execute(insert_or_skip(tx, parked_events), rows)


def join_parked(tx: Connection, candidates: Iterable[Identity], known_at: datetime) -> list[Joined]:
    """Give every event that waits for one of `candidates` to the one customer who has it.

    A join may prove further identities of that customer, which may free further events.
    """
    if tx.scalar(select(parked_events.c.event_id).limit(1)) is None:
        return []
    joined: list[Joined] = []
    looking = set(candidates)
    while looking and (found := _find_owners(tx, looking)):
        waited_for = _load_waits(tx, found)
        links = _prove(tx, found, waited_for, known_at)
        joined += _give(tx, found, known_at)
        looking = {link.identity for link in links}
    return joined


def _find_owners(tx: Connection, looking: set[Identity]) -> dict[EventId, CustomerId]:
    waits = tx.execute(select(parked_events).where(identity_in(parked_events, looking))).all()
    if not waits:
        return {}
    owners = load_owners(tx, {Identity(row.kind, row.value) for row in waits})
    found: dict[EventId, CustomerId] = {}
    for row in sorted(waits, key=lambda wait: _certainty(wait.kind)):
        if len(who := owners.get(Identity(row.kind, row.value), set())) == 1:
            found.setdefault(EventId(row.event_id), *who)
    return found


def _certainty(kind: str) -> int:
    return CERTAINTY.index(kind) if kind in CERTAINTY else len(CERTAINTY)


def _load_waits(
    tx: Connection, found: Mapping[EventId, CustomerId]
) -> list[tuple[EventId, Identity]]:
    rows = tx.execute(select(parked_events).where(parked_events.c.event_id.in_(list(found))))
    return [(EventId(row.event_id), Identity(row.kind, row.value)) for row in rows]


def _prove(
    tx: Connection,
    found: Mapping[EventId, CustomerId],
    waited_for: list[tuple[EventId, Identity]],
    known_at: datetime,
) -> list[Link]:
    """The other identities a joined event came with, as long as they were nobody's."""
    personal = [(event, identity) for event, identity in waited_for if identity.kind in PERSONAL]
    owners = load_owners(tx, {identity for _, identity in personal})
    links: dict[Identity, Link] = {}
    for event, identity in personal:
        if not owners.get(identity):
            links.setdefault(identity, Link(identity, found[event], known_at))
    insert_links(tx, links.values())
    return list(links.values())


def _give(tx: Connection, found: Mapping[EventId, CustomerId], known_at: datetime) -> list[Joined]:
    numbers = list(found)
    is_earlier = events.c.known_at < known_at
    tx.execute(
        update(events)
        .where(events.c.id.in_(numbers))
        .values(
            customer_id=case(dict(found), value=events.c.id),
            known_at=case((is_earlier, literal(known_at, Instant)), else_=events.c.known_at),
        )
    )
    tx.execute(delete(parked_events).where(parked_events.c.event_id.in_(numbers)))
    rows = tx.execute(
        select(events, event_kinds.c.name)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .where(events.c.id.in_(numbers))
        .order_by(events.c.id)
    )
    return [
        Joined(
            EventId(row.id),
            CustomerId(row.customer_id),
            row.name,
            row.occurred_at,
            row.source,
            row.properties,
        )
        for row in rows
    ]
