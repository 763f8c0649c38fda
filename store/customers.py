"""Customers and what is known about them at an instant."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    Connection,
    Select,
    Table,
    bindparam,
    func,
    or_,
    select,
)

from store.records import Customer, CustomerId
from store.session import sees_until
from store.sets import change_rows, find_rows, insert_new_rows
from store.tables import consents, customers, microseconds, traits

LONGEST_LIST = 10_000  # ids in one statement


def _in_force(table: Table, what: Column[str], said: Column[Any], *only: Any) -> Select[Any]:
    """The latest word on each `what` of each customer: its customer, itself and what it says."""
    newest = func.row_number().over(
        partition_by=(table.c.customer_id, what),
        order_by=(table.c.occurred_at.desc(), table.c.id.desc()),
    )
    # what is stored as known once it had happened has happened, though both lie ahead of `at`
    has_happened = or_(
        table.c.occurred_at <= bindparam("at"), table.c.occurred_at <= table.c.known_at
    )
    is_known = (table.c.known_at <= bindparam("known_by"), has_happened)
    ranked = (
        select(table.c.customer_id, what, said, newest.label("newest"))
        .where(table.c.customer_id.in_(IDS), *is_known, *only)
        .subquery()
    )
    return select(*ranked.c[:3]).where(ranked.c.newest == 1)


IDS: BindParameter[Any] = bindparam("ids", expanding=True)
KNOWN = (
    customers.c.external_id,
    customers.c.id,
    customers.c.merged_into,
    customers.c.known_at,
)
MADE = (customers.c.external_id, customers.c.known_at)
EXTERNAL_IDS_OF = select(customers.c.id, customers.c.external_id).where(customers.c.id.in_(IDS))
TRAITS = _in_force(traits, traits.c.name, traits.c.value)
SOME_TRAITS = _in_force(
    traits, traits.c.name, traits.c.value, traits.c.name.in_(bindparam("names", expanding=True))
)
CONSENTS = _in_force(consents, consents.c.topic, consents.c.status)


def make_customers(tx: Connection, since: Mapping[str, datetime]) -> dict[str, CustomerId]:
    """See to it that every external id has its customer, known since that instant or earlier.

    Returns who has each, as `ids_of`.
    """
    rows = find_rows(tx, customers.c.external_id, since, KNOWN)
    ids = {external_id: CustomerId(into or id_) for external_id, id_, into, _ in rows}
    new = [(external_id, microseconds(at)) for external_id, at in since.items()
           if external_id not in ids]  # fmt: skip
    made = insert_new_rows(tx, MADE, new, customers.c.external_id)
    ids |= {external_id: CustomerId(id_) for external_id, id_ in made.items()}
    earlier = [
        (microseconds(since[external_id]), id_)
        for external_id, id_, _, at in rows
        if microseconds(since[external_id]) < at
    ]
    change_rows(tx, (customers.c.known_at, customers.c.id), earlier)  # history that comes late
    if len(ids) < len(since):  # another process made some meanwhile
        ids |= ids_of(tx, since.keys() - ids.keys())
    return ids


def make_numbered(tx: Connection, id_: CustomerId, external_id: str, known_at: datetime) -> None:
    """A customer under this very number, on which all chance depends."""
    tx.execute(customers.insert().values(id=id_, external_id=external_id, known_at=known_at))


def ids_of(connection: Connection, external_ids: Iterable[str]) -> dict[str, CustomerId]:
    """The customer behind each known external id; a merged one is who it was merged into."""
    rows = find_rows(connection, customers.c.external_id, list(external_ids), KNOWN)
    return {external_id: CustomerId(into or id_) for external_id, id_, into, _ in rows}


def find_living(connection: Connection, ids: Collection[CustomerId]) -> list[CustomerId]:
    """Those who are neither erased nor merged away."""
    alive = customers.c.merged_into.is_(None) & customers.c.erased_at.is_(None)
    found: list[CustomerId] = []
    for start in range(0, len(ids), LONGEST_LIST):
        some = list(ids)[start : start + LONGEST_LIST]
        query = select(customers.c.id).where(customers.c.id.in_(some), alive)
        found += (CustomerId(id_) for id_ in connection.scalars(query))
    return found


def find_customer(connection: Connection, external_id: str) -> CustomerId | None:
    """Who has this external id, if anybody."""
    return ids_of(connection, [external_id]).get(external_id)


def external_ids_of(connection: Connection, ids: Iterable[CustomerId]) -> dict[CustomerId, str]:
    """The external id of each customer; an erased one has the empty text."""
    rows = connection.execute(EXTERNAL_IDS_OF, {"ids": list(ids)})
    return {CustomerId(number): external_id or "" for number, external_id in rows}


def load_customers(
    connection: Connection,
    ids: Iterable[CustomerId],
    at: datetime,
    *,
    known_by: datetime | None = None,
) -> dict[CustomerId, Customer]:
    """Customers by id, with the traits in force at `at`; ids that do not exist are left out."""
    wanted = list(ids)
    found = load_traits(connection, wanted, at, known_by=known_by)
    return {
        number: Customer(number, external_id, found.get(number, {}))
        for number, external_id in external_ids_of(connection, wanted).items()
    }


def load_traits(
    connection: Connection,
    ids: Iterable[CustomerId],
    at: datetime,
    *,
    names: Collection[str] = (),
    known_by: datetime | None = None,
) -> dict[CustomerId, Mapping[str, Any]]:
    """Each customer's traits in force at `at`: per name the latest one, then the later arrival.

    What is dated after `at` does not exist yet; a look back also says until when something must be
    known, live work sees all that is committed. A null has cleared its name. With `names` only
    these are read.
    """
    found: dict[CustomerId, dict[str, Any]] = {}
    query, some = (SOME_TRAITS, {"names": list(names)}) if names else (TRAITS, {})
    asked = {"ids": list(ids), "at": at, "known_by": known_by or sees_until(connection, at), **some}
    for id_, name, value in connection.execute(query, asked):
        if value is not None:
            found.setdefault(CustomerId(id_), {})[name] = value
    return dict(found)


def load_consents(
    connection: Connection,
    ids: Iterable[CustomerId],
    at: datetime,
    *,
    known_by: datetime | None = None,
) -> dict[CustomerId, Mapping[str, str]]:
    """Each customer's latest word on each topic at `at`; topics never spoken of are left out.

    `known_by` as for traits.
    """
    found: dict[CustomerId, dict[str, str]] = {}
    asked = {"ids": list(ids), "at": at, "known_by": known_by or sees_until(connection, at)}
    for row in connection.execute(CONSENTS, asked):
        found.setdefault(CustomerId(row.customer_id), {})[row.topic] = row.status
    return dict(found)
