"""Customers of whom a file knows nothing but an address: found by it, or made and called by it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from store.customers import external_ids_of
from store.identities import load_owners
from store.intake import record_customers
from store.records import Identity, IncomingCustomer, IncomingEvent

EMAIL = "email"


def with_ids_by_address(tx: Connection, rows: Sequence[IncomingCustomer]) -> list[IncomingCustomer]:
    """The rows under the ids of those who have their addresses; who is nobody keeps the given id.

    Of several with one address the oldest stands for the mailbox.
    """
    wanted = {row.external_id: Identity.of_email(str(row.traits.get(EMAIL, ""))) for row in rows}
    owners = load_owners(tx, set(wanted.values()))
    first = {address: min(ids) for address, ids in owners.items() if ids}
    names = external_ids_of(tx, set(first.values()))
    return [
        replace(row, external_id=names[first[address]])
        if (address := wanted[row.external_id]) in first
        else row
        for row in rows
    ]


def make_by_address(tx: Connection, events: Iterable[IncomingEvent], now: datetime) -> None:
    """Make a customer for each address that nobody has, where an event tells nothing else."""
    only = {
        event.identities[0]: str(event.traits.get(EMAIL, ""))
        for event in events
        if [identity.kind for identity in event.identities] == [EMAIL]
    }
    owners = load_owners(tx, only)
    unknown = [
        IncomingCustomer(address.value, {EMAIL: written})
        for address, written in only.items()
        if not owners.get(address)
    ]
    if unknown:
        record_customers(tx, unknown, now=now)
