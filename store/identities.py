"""Identities: by what a customer can be recognised, and since when we know."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, and_, false, or_, select

from store.bulk import write_many
from store.customers import LONGEST_LIST, ids_of, load_traits
from store.records import CustomerId, Identity
from store.tables import identities
from store.upserts import insert_or_skip

EXTERNAL = "external"
EMAIL = "email"
PHONE = "phone"
ANONYMOUS = "anonymous"
HELPDESK = "helpdesk"
LONGEST_ADDRESS = 320  # characters; RFC 5321 allows 64 before the @ and 255 after it

# An address may be shared, these belong to one person: whoever is first seen with one has it.
PERSONAL = (ANONYMOUS, HELPDESK)
ADDRESSES = (EMAIL, PHONE)
MOST_OWNERS = 100  # of one address; one that more people have, such as a desk's, tells nothing


@dataclass(frozen=True)
class Link:
    """From `known_at` on this customer is recognised by this identity."""

    identity: Identity
    customer_id: CustomerId
    known_at: datetime


def addresses_in(traits: Mapping[str, Any]) -> list[Identity]:
    """The address and number by which a customer with these traits can be recognised."""
    address, number = traits.get(EMAIL), traits.get(PHONE)
    found = []
    if isinstance(address, str):
        found.append(Identity.of_email(address))
    if isinstance(number, str):
        found.append(Identity.of_phone(number))
    return [identity for identity in found if 0 < len(identity.value) <= LONGEST_ADDRESS]


def load_owners(
    connection: Connection,
    wanted: Collection[Identity],
    known: Mapping[str, CustomerId] = MappingProxyType({}),
) -> dict[Identity, set[CustomerId]]:
    """Who has each identity; nobody may, and several may share an address.

    `known` are those whose external ids were looked up already.
    """
    owners: dict[Identity, set[CustomerId]] = defaultdict(set)
    external = {identity for identity in wanted if identity.kind == EXTERNAL}
    ids = dict(known)
    if unknown := {identity.value for identity in external} - known.keys():
        ids |= ids_of(connection, unknown)
    for identity in external:
        if customer := ids.get(identity.value):
            owners[identity] = {customer}
    if others := set(wanted) - external:
        rows = connection.execute(
            select(identities.c.kind, identities.c.value, identities.c.customer_id).where(
                identity_in(identities, others)
            )
        )
        for kind, value, customer in rows:
            owners[Identity(kind, value)].add(CustomerId(customer))
    return owners


def prefer_current(
    connection: Connection, owners: Mapping[Identity, set[CustomerId]], at: datetime
) -> dict[Identity, set[CustomerId]]:
    """Return of several owners of an address only those who have it at `at`, if any of them do:
    who has it now comes before who had it once.
    """
    shared = {
        identity: ids
        for identity, ids in owners.items()
        if identity.kind in ADDRESSES and 1 < len(ids) <= MOST_OWNERS
    }
    ids = sorted({customer for found in shared.values() for customer in found})
    current: dict[CustomerId, list[Identity]] = {}
    for start in range(0, len(ids), LONGEST_LIST):
        some = ids[start : start + LONGEST_LIST]
        told = load_traits(connection, some, at, names=ADDRESSES)
        current |= {customer: addresses_in(traits) for customer, traits in told.items()}
    narrowed = {
        identity: {customer for customer in found if identity in current.get(customer, ())}
        for identity, found in shared.items()
    }
    return {identity: narrowed.get(identity) or ids for identity, ids in owners.items()}


def load_other_addresses(connection: Connection, known: Collection[Identity]) -> set[Identity]:
    """Return the further addresses of whoever has one of `known`."""
    if not known:
        return set()
    # by customer, each once: SQLite would walk all addresses there are, were it free to, and who
    # has a thousand of `known` would be asked a thousand times for all of theirs
    theirs = identities.alias()
    owners = select(identities.c.customer_id).where(identity_in(identities, known))
    rows = connection.execute(
        select(theirs.c.kind, theirs.c.value)
        .where(theirs.c.customer_id.in_(owners), theirs.c.kind.concat("").in_(ADDRESSES))
        .distinct()
    )
    return {Identity(kind, value) for kind, value in rows} - set(known)


def load_identities(connection: Connection, ids: Iterable[CustomerId]) -> list[Identity]:
    """By what these customers can be recognised, besides their external ids."""
    rows = connection.execute(
        select(identities.c.kind, identities.c.value)
        .where(identities.c.customer_id.in_(list(ids)))
        .order_by(identities.c.id)
    )
    return [Identity(kind, value) for kind, value in rows]


def insert_links(tx: Connection, links: Iterable[Link]) -> None:
    """Store new links; those that exist stay as they are."""
    rows = [
        {
            "customer_id": link.customer_id,
            "kind": link.identity.kind,
            "value": link.identity.value,
            "known_at": link.known_at,
        }
        for link in links
    ]
    write_many(tx, insert_or_skip(tx, identities), rows)


def identity_in(table: FromClause, wanted: Iterable[Identity]) -> ColumnElement[bool]:
    """True for the rows of `table` whose (kind, value) is one of `wanted`."""
    by_kind: dict[str, set[str]] = defaultdict(set)
    for identity in wanted:
        by_kind[identity.kind].add(identity.value)
    return or_(
        false(),
        *(
            and_(table.c.kind == kind, table.c.value.in_(sorted(values)))
            for kind, values in by_kind.items()
        ),
    )
