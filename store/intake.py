"""Takes in what happened: whose it is, what it changes, what must be looked at again.

Everything works on a whole batch: the number of statements does not depend on the number of events.
Long because all ways in (events, files, programs, people) end by freeing what waited for them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from rekindle.settings import Settings
from store.attribution import IDENTIFIED, TRUSTED, Directory, attribute
from store.customer_rows import make_from_rows
from store.customers import ids_of, load_consents, load_traits, make_customers
from store.events import OWN, NewEvent, find_events, insert_events, note_changes
from store.identities import (
    ADDRESSES,
    ANONYMOUS,
    EMAIL,
    EXTERNAL,
    Link,
    insert_links,
    load_identities,
    load_owners,
    prefer_current,
)
from store.interventions import last_rows, record_intervention
from store.kinds import Kind
from store.knowledge import DENIED, Told, learn, load_latest_told
from store.merging import merge_customers
from store.parking import Joined, give, join_parked, park, why_parked
from store.records import (
    NOBODY,
    Actor,
    CustomerId,
    EventId,
    Identity,
    IncomingCustomer,
    IncomingEvent,
    Receipt,
    Trust,
)
from store.tables import EPOCH

CONSENT = "consent"  # where the properties of an identify keep what it said of topics
MADE_BY = (IDENTIFIED, "customer.aliased", "customer.grouped")  # what tells that an id is one
OWN_CHANNELS = {"message": "email", "email": "email", "survey": "survey", "ticket": "ticket"}


@dataclass(frozen=True)
class OwnEvent:
    """A fact of the engine's own about one customer, such as `message.sent`, `segment.entered`."""

    customer_id: CustomerId
    name: str
    occurred_at: datetime
    message_id: str  # dedupe: the same fact always has the same one
    properties: Mapping[str, Any] = field(default_factory=dict)
    channel: str | None = None  # None: the usual one for its name
    actor: Actor = Actor.REKINDLE


class Attributed(NamedTuple):
    """A foreign event, and whose it turned out to be."""

    event: IncomingEvent
    customer_id: CustomerId
    known_at: datetime


def record_events(
    tx: Connection, events: Sequence[IncomingEvent], *, now: datetime, settings: Settings
) -> Receipt:
    """Store foreign events, attach them to their customers and leave a row for every change.

    The first `message_id` wins, in this batch as in the workspace. Up to some thousand a call.
    """
    fresh = _by_address(tx, _fresh(tx, events), now)
    directory = _open_directory(tx, fresh, now)
    attributed = _attribute_all(fresh, directory, now)
    usual = {name: settings.channel_for(name) for name in {event.name for event in fresh}}
    stored = insert_events(tx, [_as_new(item, usual) for item in attributed], now)
    taken = [item for item in attributed if item.event.message_id in stored]
    owned = [item for item in taken if item.customer_id]
    candidates = _settle(tx, directory, now)
    candidates |= {identity for item in owned for identity in item.event.identities}
    told = [_told(item) for item in owned if item.event.traits or item.event.consents]
    candidates |= set(learn(tx, told, now))
    park(tx, _waits(taken, stored))
    joined = _join(tx, candidates, now, now)
    changes = [(item.customer_id, stored[item.event.message_id]) for item in taken]
    changes += [(item.customer_id, item.id) for item in joined]
    note_changes(tx, changes)
    return Receipt(
        accepted=len(taken),
        duplicates=len(events) - len(taken),
        customer_ids=tuple(sorted({customer for customer, _ in changes} - {NOBODY})),
        waiting={
            item.event.message_id: why_parked(item.event.identities, directory.owners)
            for item in taken
            if not item.customer_id
        },
    )


def record_customers(
    tx: Connection, customers: Sequence[IncomingCustomer], *, now: datetime
) -> Receipt:
    """Store rows of a customers file, known from the beginning; unchanged ones are duplicates."""
    rows_before = last_rows(tx)
    news, changed, ids = make_from_rows(tx, customers, now)
    addresses = learn(tx, news, now)
    candidates = {Identity(EXTERNAL, external_id) for external_id in ids} | set(addresses)
    joined = _join(tx, candidates, EPOCH, now)
    changes: list[tuple[CustomerId, EventId | None]] = [(told.customer_id, None) for told in news]
    changes += [(item.customer_id, item.id) for item in joined]
    if changed:
        said = {"after": rows_before, "until": last_rows(tx)}
        record_intervention(tx, "imported", said, now)
    note_changes(tx, changes)
    return Receipt(
        accepted=changed,
        duplicates=len(customers) - changed,
        customer_ids=tuple(sorted({customer for customer, _ in changes})),
    )


def record_changes(
    tx: Connection,
    changes: Sequence[tuple[IncomingCustomer, datetime]],
    source: str,
    now: datetime,
) -> Receipt:
    """Store what another system says of customers, each since an instant, known from now on.

    Of a trait only what is later than all that was told of it, so that telling the same again
    changes nothing. Of consents a no where there was none, and a yes only where nobody has spoken.
    """
    wanted = {row.external_id for row, _ in changes}
    unknown = wanted - ids_of(tx, wanted).keys()
    ids = make_customers(tx, dict.fromkeys(wanted, now))
    names = {name for row, _ in changes for name in row.traits}
    latest = load_latest_told(tx, set(ids.values()), names)
    held = load_traits(tx, set(ids.values()), now, names=names) if names else {}
    stand = load_consents(tx, set(ids.values()), now)
    news: list[Told] = []
    for row, since in changes:
        customer, at = ids[row.external_id], min(since, now)
        before = held.get(customer, {})
        said = {
            name: value
            for name, value in row.traits.items()
            if at > latest.get((customer, name), EPOCH) and before.get(name) != value
        }
        asked = {
            topic: status
            for topic, status in row.consents.items()
            if _says_more(status, stand.get(customer, {}).get(topic))
        }
        if said or asked or row.external_id in unknown:
            unknown.discard(row.external_id)
            latest |= {(customer, name): at for name in said}
            held[customer] = {**before, **said}
            stand[customer] = {**stand.get(customer, {}), **asked}
            news.append(Told(customer, said, asked, source, at, now))
    addresses = learn(tx, news, now)
    candidates = {Identity(EXTERNAL, external_id) for external_id in ids} | set(addresses)
    joined = _join(tx, candidates, now, now)
    noted: list[tuple[CustomerId, EventId | None]] = [(told.customer_id, None) for told in news]
    noted += [(item.customer_id, item.id) for item in joined]
    note_changes(tx, noted)
    return Receipt(
        accepted=len(news),
        duplicates=len(changes) - len(news),
        customer_ids=tuple(sorted({customer for customer, _ in noted})),
    )


def _says_more(status: str, standing: str | None) -> bool:
    return standing is None or (status == DENIED and standing != DENIED)


def record_told(
    tx: Connection,
    external_id: str,
    traits: Mapping[str, Any],
    consents: Mapping[str, str],
    now: datetime,
) -> CustomerId:
    """Store what a program says of one customer, known from now on, and make them if they are new.

    What stands already is not written again.
    """
    customer = make_customers(tx, {external_id: now})[external_id]
    held = _traits(tx, customer, traits, now) if traits else {}
    stand = load_consents(tx, [customer], now).get(customer, {})
    news = Told(
        customer,
        {name: value for name, value in traits.items() if held.get(name) != value},
        {topic: status for topic, status in consents.items() if stand.get(topic) != status},
        "api",
        now,
        now,
    )
    addresses = learn(tx, [news], now)
    joined = _join(tx, {Identity(EXTERNAL, external_id), *addresses}, now, now)
    note_changes(tx, [(customer, None), *((item.customer_id, item.id) for item in joined)])
    return customer


def _traits(
    tx: Connection, customer: CustomerId, names: Collection[str], now: datetime
) -> Mapping[str, Any]:
    return load_traits(tx, [customer], now, names=names).get(customer, {})


def merge_people(tx: Connection, merged: Mapping[CustomerId, CustomerId], now: datetime) -> None:
    """A person says that each key is the same customer as its value: all moves there."""
    merge_customers(tx, merged, now)
    joined = _join(tx, set(load_identities(tx, merged.values())), now, now)
    note_changes(tx, [(item.customer_id, item.id) for item in joined])


def attach_parked(
    tx: Connection, waits: Mapping[EventId, Sequence[Identity]], customer: CustomerId, now: datetime
) -> int:
    """A person says that these parked events are this customer's; return how many they were.

    They are known from now on, as late as they come. What they wait for and nobody has, leads to
    the customer from now on, and with it whatever else waits for that.
    """
    wanted = {identity for found in waits.values() for identity in found if identity.value}
    owners = load_owners(tx, wanted)
    links = [
        Link(identity, customer, now)
        for identity in sorted(wanted, key=lambda i: (i.kind, i.value))
        if identity.kind in ADDRESSES and not owners.get(identity)
    ]
    insert_links(tx, links)
    given, proven = give(tx, dict.fromkeys(waits, customer), now)
    told = [_told_while_parked(item, now) for item in given if item.name == IDENTIFIED]
    candidates = {link.identity for link in (*links, *proven)} | set(learn(tx, told, now))
    joined = _join(tx, candidates, now, now)
    note_changes(tx, [(item.customer_id, item.id) for item in (*given, *joined)])
    return len(given) + len(joined)


def make_for_parked(tx: Connection, waits: Iterable[Sequence[Identity]], now: datetime) -> int:
    """Make a customer for each address and external id that nobody has and parked events wait for;
    return how many were made.

    They are called by it, and known from the beginning like those of a file, as is what waited.
    """
    wanted = {
        identity for found in waits for identity in found if identity.kind in (EMAIL, EXTERNAL)
    } - {Identity(EMAIL, ""), Identity(EXTERNAL, "")}
    owners = load_owners(tx, wanted | {Identity(EXTERNAL, i.value) for i in wanted})
    rows = [
        IncomingCustomer(value, {EMAIL: value} if kind == EMAIL else {})
        for kind, value in sorted((i.kind, i.value) for i in wanted if not owners.get(i))
        if not owners.get(Identity(EXTERNAL, value))
    ]
    record_customers(tx, rows, now=now)
    return len(rows)


def record_own_events(tx: Connection, items: Sequence[OwnEvent], now: datetime) -> list[EventId]:
    """Store the engine's own facts and leave a row for each.

    The ids come back in the order given, old ones for facts already known.
    """
    if not items:
        return []
    keys = [f"{OWN}:{item.message_id}" for item in items]
    known = find_events(tx, keys)
    fresh = {key: item for key, item in zip(keys, items, strict=True) if key not in known}
    stored = insert_events(tx, [_own_as_new(key, item, now) for key, item in fresh.items()], now)
    note_changes(tx, [(fresh[key].customer_id, event) for key, event in stored.items()])
    if lost := fresh.keys() - stored.keys():  # another process stored the same facts meanwhile
        known |= find_events(tx, lost)
    found = known | stored
    return [found[key] for key in keys]


def _fresh(tx: Connection, events: Sequence[IncomingEvent]) -> list[IncomingEvent]:
    first = {event.message_id: event for event in reversed(events)}
    known = find_events(tx, first)
    return [e for e in events if e.message_id not in known and first[e.message_id] is e]


def _waits(
    taken: Sequence[Attributed], stored: Mapping[str, EventId]
) -> list[tuple[EventId, Identity]]:
    parked = [item.event for item in taken if not item.customer_id]
    return [(stored[event.message_id], i) for event in parked for i in event.identities]


def _known_at(event: IncomingEvent, now: datetime) -> datetime:
    """History is known since it happened; what it dates ahead, from now on."""
    is_past = event.is_known_since_occurred and event.occurred_at < now
    return event.occurred_at if is_past else now


def _by_address(
    tx: Connection, events: Sequence[IncomingEvent], now: datetime
) -> list[IncomingEvent]:
    """Return the events, those whose user id is an address that somebody else has by that address:
    an id that nobody ever had makes no second customer of a mailbox. An `identify` says itself what
    is an id.
    """
    given = {
        identity.value: Identity.of_email(identity.value)
        for event in events
        for identity in event.identities
        if identity.kind == EXTERNAL and "@" in identity.value
    }
    if not given:
        return list(events)
    owners = load_owners(tx, {*(Identity(EXTERNAL, id_) for id_ in given), *given.values()})
    for event in events:
        if event.name in MADE_BY:
            given = {
                i: a for i, a in given.items() if Identity(EXTERNAL, i) not in event.identities
            }
    addresses = {
        Identity(EXTERNAL, id_): address
        for id_, address in given.items()
        if address.value and owners.get(address) and not owners.get(Identity(EXTERNAL, id_))
    }
    if not addresses:
        return list(events)
    return [
        event._replace(identities=tuple(addresses.get(i, i) for i in event.identities))
        for event in events
    ]


def _open_directory(tx: Connection, events: Sequence[IncomingEvent], now: datetime) -> Directory:
    """Everybody the batch speaks of; a user id makes its customer, unless it is a helpdesk's."""
    since: dict[str, datetime] = {}
    helpdesk = Trust.HELPDESK
    for event in events:
        known_at = _known_at(event, now)
        for identity in event.identities:
            if (
                identity.kind == EXTERNAL
                and event.trust is not helpdesk
                and known_at < since.setdefault(identity.value, now)
            ):
                since[identity.value] = known_at
    ids = make_customers(tx, since)
    return Directory(prefer_current(tx, load_owners(tx, _mentioned(events), ids), now))


def _mentioned(events: Sequence[IncomingEvent]) -> set[Identity]:
    previous = [event.previous.value for event in events if event.previous]
    return {
        *(identity for event in events for identity in event.identities),
        *(Identity(EXTERNAL, value) for value in previous),
        *(Identity(ANONYMOUS, value) for value in previous),
    }


def _attribute_all(
    events: Sequence[IncomingEvent], directory: Directory, now: datetime
) -> list[Attributed]:
    """In the order of arrival, because each event may tell whose the next one is."""
    known = [_known_at(event, now) for event in events]
    found = [
        attribute(event, directory, known_at) for event, known_at in zip(events, known, strict=True)
    ]
    if directory.merged:
        found = [directory.survivor(customer) for customer in found]
    return list(map(Attributed, events, found, known))


def _as_new(item: Attributed, usual_channels: Mapping[str, str]) -> NewEvent:
    event = item.event
    channel = event.channel or usual_channels[event.name]
    return NewEvent(
        customer_id=item.customer_id,
        kind=Kind(event.name, channel, event.actor),
        occurred_at=event.occurred_at,
        known_at=item.known_at,
        message_id=event.message_id,
        source=event.source,
        original_name=event.original_name if event.original_name != event.name else None,
        properties=event.properties,
    )


def _settle(tx: Connection, directory: Directory, now: datetime) -> set[Identity]:
    """Write the links and merges a batch proved; returns the identities that have new owners."""
    insert_links(
        tx, [replace(i, customer_id=directory.survivor(i.customer_id)) for i in directory.links]
    )
    merged = {loser: directory.survivor(loser) for loser in directory.merged}
    merge_customers(tx, merged, now)
    linked = {link.identity for link in directory.links}
    return linked | set(load_identities(tx, merged.values())) if merged else linked


def _told(item: Attributed) -> Told:
    event = item.event
    return Told(
        item.customer_id,
        event.traits,
        event.consents,
        event.source,
        event.occurred_at,
        item.known_at,
        is_trusted=event.trust in TRUSTED,
    )


def _told_while_parked(item: Joined, known_at: datetime) -> Told:
    """Nobody remembers who passed it on, so it is believed no more than a browser."""
    said = {name: value for name, value in item.properties.items() if name != CONSENT}
    allowed = item.properties.get(CONSENT, {})
    return Told(
        item.customer_id, said, allowed, item.source, item.occurred_at, known_at, is_trusted=False
    )


def _join(
    tx: Connection, candidates: set[Identity], known_at: datetime, now: datetime
) -> list[Joined]:
    """Free what waited for `candidates`, and what waited for what that tells."""
    joined: list[Joined] = []
    while candidates and (freed := join_parked(tx, candidates, known_at, now)):
        joined += freed
        told = [_told_while_parked(i, known_at) for i in freed if i.name == IDENTIFIED]
        candidates = set(learn(tx, told, known_at))
    return joined


def _own_as_new(message_id: str, item: OwnEvent, now: datetime) -> NewEvent:
    channel = item.channel or OWN_CHANNELS.get(item.name.partition(".")[0], OWN)
    return NewEvent(
        customer_id=item.customer_id,
        kind=Kind(item.name, channel, item.actor),
        occurred_at=item.occurred_at,
        known_at=now,
        message_id=message_id,
        source=OWN,
        original_name=None,
        properties=item.properties,
    )
