"""Events without a customer wait for each identity they came with, until one is somebody's."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, literal, select, update

from store.identities import (
    ADDRESSES,
    ANONYMOUS,
    EMAIL,
    EXTERNAL,
    HELPDESK,
    PERSONAL,
    PHONE,
    Link,
    identity_in,
    insert_links,
    load_other_addresses,
    load_owners,
    prefer_current,
)
from store.records import NOBODY, CustomerId, EventId, Identity
from store.tables import Instant, event_kinds, events, parked_events
from store.upserts import insert_or_skip
from store.waits import Waits

CERTAINTY = (EXTERNAL, EMAIL, PHONE, ANONYMOUS, HELPDESK)  # most certain first
A_CHUNK = 5_000  # events in one statement, each of which takes two or three values


@dataclass(frozen=True)
class Joined:
    """An event that was parked and now has its customer."""

    id: EventId
    customer_id: CustomerId
    name: str
    occurred_at: datetime
    source: str
    properties: Mapping[str, Any]


SAID: Mapping[Waits, str] = {
    Waits.SHARED_ADDRESS: "several customers have the address",
    Waits.UNKNOWN_ADDRESS: "no customer has the address",
    Waits.UNKNOWN_ID: "no customer has the id",
    Waits.ANONYMOUS: "the visitor has not said who they are",
    Waits.UNUSABLE_ADDRESS: "what was given is no address",
}


def why_parked(
    waited_for: Iterable[Identity], owners: Mapping[Identity, Collection[CustomerId]]
) -> Waits:
    """Return why an event that waits for these identities has no customer."""
    known = [identity for identity in waited_for if identity.value]
    kinds = {identity.kind for identity in known}
    if any(i.kind in ADDRESSES and len(owners.get(i, ())) > 1 for i in known):
        return Waits.SHARED_ADDRESS
    if kinds.intersection(ADDRESSES):
        return Waits.UNKNOWN_ADDRESS
    if kinds - {ANONYMOUS}:
        return Waits.UNKNOWN_ID
    return Waits.ANONYMOUS if kinds else Waits.UNUSABLE_ADDRESS


def park(tx: Connection, waiting: Iterable[tuple[EventId, Identity]]) -> None:
    """Let each event wait for these identities."""
    rows = [{"event_id": event, "kind": i.kind, "value": i.value} for event, i in waiting]
    if rows:
        tx.execute(insert_or_skip(tx, parked_events), rows)


def join_parked(
    tx: Connection, candidates: Iterable[Identity], known_at: datetime, now: datetime
) -> list[Joined]:
    """Give every event that waits for one of `candidates` to the one customer who has it.

    A join may prove further identities of that customer, which may free further events. Who has a
    new address has left the former one to others.
    """
    if tx.scalar(select(parked_events.c.event_id).limit(1)) is None:
        return []
    joined: list[Joined] = []
    looking = set(candidates)
    looking |= load_other_addresses(tx, [i for i in looking if i.kind in ADDRESSES])
    while looking and (found := _find_owners(tx, looking, now)):
        looking = set()
        for some in _in_chunks(found):
            freed, links = give(tx, some, known_at)
            joined += freed
            looking |= {link.identity for link in links}
    return joined


def give(
    tx: Connection, found: Mapping[EventId, CustomerId], known_at: datetime
) -> tuple[list[Joined], list[Link]]:
    """Let parked events be these customers', known from `known_at` where they are known from
    earlier, and link what personal ids they came with. Those that have one already are left out.
    Up to `A_CHUNK` events a call.
    """
    free = select(events.c.id).where(events.c.id.in_(found), events.c.customer_id == NOBODY)
    still = {EventId(id_): found[EventId(id_)] for id_ in tx.scalars(free.with_for_update())}
    if not still:
        return [], []
    links = _prove(tx, still, _load_waits(tx, still), known_at)
    return _give(tx, still, known_at), links


def _in_chunks(found: Mapping[EventId, CustomerId]) -> Iterator[dict[EventId, CustomerId]]:
    items = iter(sorted(found.items()))
    while some := dict(islice(items, A_CHUNK)):
        yield some


def _find_owners(
    tx: Connection, looking: set[Identity], now: datetime
) -> dict[EventId, CustomerId]:
    query = select(parked_events.c.event_id).where(identity_in(parked_events, looking)).distinct()
    ids = sorted(EventId(number) for number in tx.scalars(query))
    found: dict[EventId, CustomerId] = {}
    for start in range(0, len(ids), A_CHUNK):
        waits = _load_waits(tx, ids[start : start + A_CHUNK])
        owners = load_owners(tx, {identity for _, identity in waits})
        owners = prefer_current(tx, owners, now)
        for event, identity in sorted(waits, key=lambda wait: _certainty(wait[1].kind)):
            if len(who := owners.get(identity, set())) == 1:
                found.setdefault(event, *who)
    return found


def _certainty(kind: str) -> int:
    return CERTAINTY.index(kind) if kind in CERTAINTY else len(CERTAINTY)


def _load_waits(tx: Connection, found: Collection[EventId]) -> list[tuple[EventId, Identity]]:
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
    # many executions of one statement: a CASE of thousands would be walked for every row
    tx.execute(
        update(events)
        .where(events.c.id == bindparam("id_"))
        .values(
            customer_id=bindparam("owner"),
            known_at=case((is_earlier, literal(known_at, Instant)), else_=events.c.known_at),
        ),
        [{"id_": event, "owner": customer} for event, customer in found.items()],
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
