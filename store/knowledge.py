"""What customers said of themselves, as versions: traits, consents and the addresses among them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, bindparam, func, select

from rekindle.addresses import canonical
from store.bulk import write_many
from store.customers import LONGEST_LIST, load_traits
from store.identities import EMAIL, Link, addresses_in, insert_links
from store.permission_changes import note_permission_change
from store.records import CustomerId, Identity
from store.tables import consents, traits

GRANTED = "granted"
DENIED = "denied"
UNKNOWN = "unknown"


def _ahead(table: Table, what: Column[str]) -> Select[Any]:
    """When the latest of those was told that are stored as told later than `now`."""
    known_at = func.max(table.c.known_at, type_=table.c.known_at.type)
    return (
        select(table.c.customer_id, what, known_at)
        .where(
            table.c.customer_id.in_(bindparam("ids", expanding=True)),
            table.c.known_at > bindparam("now"),
            table.c.occurred_at <= table.c.known_at,
        )
        .group_by(table.c.customer_id, what)
    )


TRAITS_AHEAD = _ahead(traits, traits.c.name)
CONSENTS_AHEAD = _ahead(consents, consents.c.topic)
NEW_TRAIT = traits.insert()
LATEST_VALUES = 100  # enough to see of what type a trait is


@dataclass(frozen=True)
class Told:
    """What one customer said at one time, and how far whoever passed it on may be believed."""

    customer_id: CustomerId
    traits: Mapping[str, Any]  # None clears
    consents: Mapping[str, str]  # topic to granted, denied, unknown
    source: str
    occurred_at: datetime
    known_at: datetime
    is_trusted: bool = True  # False: may not change an existing email or grant consent


@dataclass(frozen=True)
class NewConsent:
    customer_id: CustomerId
    topic: str
    status: str
    source: str
    occurred_at: datetime
    known_at: datetime


@dataclass
class _Emails:
    """The addresses customers have so far, while a batch is worked through."""

    known: dict[CustomerId, str] = field(default_factory=dict)

    def allow(self, told: Told) -> bool:
        """Whether `told` may set the address it carries; what may is the address from now on."""
        if EMAIL not in told.traits:
            return True
        given = told.traits[EMAIL]
        held = self.known.get(told.customer_id, "")
        usable = canonical(held)  # what names no mailbox keeps no address out
        same = given == held or ("" != canonical(given) == usable)
        if usable and not told.is_trusted and not same:
            return False
        self.known[told.customer_id] = given if isinstance(given, str) else ""
        return True


def learn(tx: Connection, items: Sequence[Told], now: datetime) -> list[Identity]:
    """Store what was told, as far as it may be believed; returns the addresses that it names."""
    believed = _believable(tx, [item for item in items if item.traits or item.consents], now)
    insert_traits(tx, believed, now)
    insert_consents(
        tx,
        [
            NewConsent(i.customer_id, topic, status, i.source, i.occurred_at, i.known_at)
            for i in believed
            for topic, status in i.consents.items()
        ],
        now,
    )
    links = [
        Link(address, item.customer_id, item.known_at)
        for item in believed
        for address in addresses_in(item.traits)
    ]
    insert_links(tx, links)
    return [link.identity for link in links]


def _believable(tx: Connection, items: Sequence[Told], now: datetime) -> list[Told]:
    doubted = {item.customer_id for item in items if not item.is_trusted and EMAIL in item.traits}
    held = load_traits(tx, doubted, now, names=(EMAIL,)) if doubted else {}
    emails = _Emails({customer: str(known[EMAIL]) for customer, known in held.items()})
    return [_without_doubtful(item, may_set_email=emails.allow(item)) for item in items]


def _without_doubtful(item: Told, *, may_set_email: bool) -> Told:
    if item.is_trusted:
        return item
    allowed = {k: v for k, v in item.traits.items() if may_set_email or k != EMAIL}
    refusals = {topic: status for topic, status in item.consents.items() if status != GRANTED}
    return replace(item, traits=allowed, consents=refusals)


def insert_traits(tx: Connection, items: Sequence[Told], now: datetime) -> None:
    """A version for each top-level name."""
    rows = [
        {
            "customer_id": item.customer_id,
            "name": name,
            "value": value,
            "occurred_at": item.occurred_at,
            "known_at": item.known_at,
        }
        for item in items
        for name, value in item.traits.items()
    ]
    if rows:
        write_many(tx, NEW_TRAIT, _over_what_lies_ahead(tx, TRAITS_AHEAD, "name", rows, now))


Row = dict[str, Any]


def _over_what_lies_ahead(
    tx: Connection, ahead: Select[Any], what: str, rows: Sequence[Row], now: datetime
) -> list[Row]:
    """These rows, each later than what was said before it by a clock that ran ahead.

    What is said now holds from now on, also once that clock's instant has come.
    """
    asked = {"ids": list({row["customer_id"] for row in rows}), "now": now}
    found = {(id_, name): known_at for id_, name, known_at in tx.execute(ahead, asked)}
    if not found:
        return list(rows)
    return [
        {**row, "occurred_at": at, "known_at": at}
        if (at := found.get((row["customer_id"], row[what])))
        and row["occurred_at"] <= row["known_at"] == now
        else row
        for row in rows
    ]


def load_trait_names(connection: Connection) -> frozenset[str]:
    """What is known of anybody, by top-level name; each name is one step along an index."""
    names: set[str] = set()
    newest = ""
    query = select(func.min(traits.c.name)).where(traits.c.name > bindparam("newest"))
    while (name := connection.scalar(query, {"newest": newest})) is not None:
        names.add(name)
        newest = name
    return frozenset(names)


def load_latest_values(connection: Connection, name: str) -> list[Any]:
    """What was told last of a trait, of anybody; what clears it left out."""
    query = select(traits.c.value).where(traits.c.name == name)
    newest = query.order_by(traits.c.occurred_at.desc()).limit(LATEST_VALUES)
    return [value for value in connection.scalars(newest) if value is not None]


def load_latest_told(
    connection: Connection, ids: Collection[CustomerId], names: Collection[str]
) -> dict[tuple[CustomerId, str], datetime]:
    """Return since when the latest word on each of these traits of each customer holds."""
    found: dict[tuple[CustomerId, str], datetime] = {}
    listed = sorted(ids)
    for start in range(0, len(listed), LONGEST_LIST):
        query = (
            select(
                traits.c.customer_id,
                traits.c.name,
                func.max(traits.c.occurred_at, type_=traits.c.occurred_at.type),
            )
            .where(traits.c.customer_id.in_(listed[start : start + LONGEST_LIST]))
            .where(traits.c.name.in_(names))
            .group_by(traits.c.customer_id, traits.c.name)
        )
        for id_, name, at in connection.execute(query):
            found[CustomerId(id_), name] = at
    return found


def insert_consents(tx: Connection, items: Iterable[NewConsent], now: datetime) -> None:
    if rows := [vars(item) for item in items]:
        later = _over_what_lies_ahead(tx, CONSENTS_AHEAD, "topic", rows, now)
        tx.execute(consents.insert(), later)
        note_permission_change(tx, (row["customer_id"] for row in rows))
