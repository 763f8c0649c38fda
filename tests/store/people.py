"""Builders of what comes in, with defaults that show only what matters to a test."""

from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import Connection, select

from rekindle.settings import Settings
from store.customers import find_customer, load_customers
from store.intake import record_events
from store.records import Identity, IncomingEvent, Receipt, Trust
from store.session import Store
from store.tables import customers, event_kinds, events, parked_events, pending_changes
from tests.conftest import MONDAY

SETTINGS = Settings()
_numbers = count(1)


def ext(value: str) -> Identity:
    return Identity("external", value)


def anon(value: str) -> Identity:
    return Identity("anonymous", value)


def mail(value: str) -> Identity:
    return Identity.of_email(value)


def desk(value: str) -> Identity:
    return Identity("helpdesk", value)


def event(*who: Identity, name: str = "page.viewed", **known: Any) -> IncomingEvent:
    defaults: dict[str, Any] = {"occurred_at": MONDAY, "message_id": f"m{next(_numbers)}"}
    return IncomingEvent(name=name, identities=who, **{**defaults, **known})


def identify(
    *who: Identity, traits: Mapping[str, Any] | None = None, **known: Any
) -> IncomingEvent:
    told = dict(traits or {})
    return event(*who, name="customer.identified", traits=told, properties=told, **known)


def alias(previous: str, now: str, **known: Any) -> IncomingEvent:
    return event(ext(now), name="customer.aliased", previous=ext(previous), **known)


def ticket(*who: Identity, **known: Any) -> IncomingEvent:
    return event(*who, name="ticket.opened", trust=Trust.HELPDESK, **known)


def take(store: Store, *items: IncomingEvent, now: datetime = MONDAY) -> Receipt:
    """One batch, committed."""
    with store.begin() as tx:
        return record_events(tx, items, now=now, settings=SETTINGS)


def owners(store: Store) -> dict[str, str | None]:
    """Whose each foreign event is, by message id; nobody's while parked."""
    query = (
        select(events.c.message_id, customers.c.external_id)
        .outerjoin(customers, customers.c.id == events.c.customer_id)
        .where(events.c.source != "rekindle")
    )
    with store.read() as connection:
        return {row.message_id: row.external_id for row in connection.execute(query)}


def parked(store: Store) -> int:
    with store.read() as connection:
        return len(set(connection.scalars(select(parked_events.c.event_id))))


def names(store: Store) -> list[str]:
    query = select(event_kinds.c.name).join(events, events.c.kind_id == event_kinds.c.id)
    with store.read() as connection:
        return list(connection.scalars(query.order_by(events.c.id)))


def pending(store: Store) -> list[tuple[int, int | None]]:
    query = select(pending_changes.c.customer_id, pending_changes.c.event_id)
    with store.read() as connection:
        return [
            (row[0], row[1]) for row in connection.execute(query.order_by(pending_changes.c.id))
        ]


def traits_of(store: Store, external_id: str, at: datetime = MONDAY) -> Mapping[str, Any]:
    with store.read() as connection:
        return _traits(connection, external_id, at)


def _traits(connection: Connection, external_id: str, at: datetime) -> Mapping[str, Any]:
    id_ = find_customer(connection, external_id)
    assert id_ is not None
    return load_customers(connection, [id_], at, known_by=at)[id_].traits
