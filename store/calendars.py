"""How far each start that the calendar makes has come."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from store.bulk import read_rows
from store.records import ON_TIME, CustomerId
from store.tables import calendars, customers, event_kinds, events, memberships, traits

Key = tuple[str, str]  # journey and start, as written

# statements are made once: making one costs more than running it
ALL = select(calendars)
LONGEST_DUE = (
    ALL.where(calendars.c.due_at <= bindparam("now"))
    .order_by(calendars.c.due_at, calendars.c.journey, calendars.c.start)
    .limit(1)
    .with_for_update(skip_locked=True)
)


@dataclass(frozen=True)
class Calendar:
    """One start: everything up to `looked_at` was started, and customers up to `cursor` of the
    turn that is due."""

    journey: str
    start: str
    looked_at: datetime
    due_at: datetime | None
    cursor: int

    @property
    def key(self) -> Key:
        return self.journey, self.start


def load_calendars(connection: Connection) -> dict[Key, Calendar]:
    found = (Calendar(*row) for row in read_rows(connection, ALL))
    return {(one.journey, one.start): one for one in found}


def claim_calendar(tx: Connection, now: datetime) -> Calendar | None:
    """The calendar that is due longest, locked for this transaction."""
    found = read_rows(tx, LONGEST_DUE, {"now": now})
    return Calendar(*found[0]) if found else None


def add_calendars(tx: Connection, new: Sequence[Calendar]) -> None:
    if new:
        tx.execute(insert(calendars), [vars(one) for one in new])


def drop_calendars(tx: Connection, gone: Collection[Key]) -> None:
    if gone:
        key = tuple_(calendars.c.journey, calendars.c.start)
        tx.execute(delete(calendars).where(key.in_(list(gone))))


def move_calendar(tx: Connection, one: Calendar) -> None:
    """Write how far it has come."""
    tx.execute(
        update(calendars)
        .where(calendars.c.journey == one.journey, calendars.c.start == one.start)
        .values(looked_at=one.looked_at, due_at=one.due_at, cursor=one.cursor)
    )


def next_members(tx: Connection, segment: str, cursor: int, limit_rows: int) -> list[CustomerId]:
    """Members with ids after `cursor`, in order."""
    query = (
        select(memberships.c.customer_id)
        .where(
            memberships.c.segment == segment,
            memberships.c.is_member,
            memberships.c.customer_id > cursor,
        )
        .order_by(memberships.c.customer_id)
        .limit(limit_rows)
    )
    return [CustomerId(row.customer_id) for row in tx.execute(query)]


def came_after(
    tx: Connection, segment: str, ids: Sequence[CustomerId], at: datetime
) -> set[CustomerId]:
    """Those of these members who surely entered only after `at`.

    What was learned late, such as a row about a customer, has no instant of its own: who knows.
    """
    query = (
        select(events.c.customer_id, events.c.properties)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .join(memberships, memberships.c.customer_id == events.c.customer_id)
        .where(
            event_kinds.c.name == "segment.entered",
            events.c.customer_id.in_(ids),
            events.c.occurred_at == memberships.c.since,
            memberships.c.segment == segment,
            memberships.c.since > at,
        )
    )
    return {
        CustomerId(row.customer_id)
        for row in tx.execute(query)
        if row.properties.get("segment") == segment and row.properties.get("cause") in ON_TIME
    }


def find_dated(
    tx: Connection, trait: str, days: Collection[str], *, yearly: bool, cursor: int, limit_rows: int
) -> list[CustomerId]:
    """Customers after `cursor` for whom `trait` ever named one of `days`, in order.

    Days are `YYYY-MM-DD`, or `MM-DD` where `yearly`. What is in force now is for the caller to see.
    """
    name, *inside = trait.split(".")
    column: Any = traits.c.value
    for part in inside:
        column = column[part]
    text = column.as_string() if inside else func.trim(cast(column, Text), '"')
    written = func.substr(text, 6, 5) if yearly else func.substr(text, 1, 10)
    query = (
        select(traits.c.customer_id)
        .join(customers, customers.c.id == traits.c.customer_id)
        .where(
            traits.c.name == name,
            written.in_(sorted(days)),
            traits.c.customer_id > cursor,
            customers.c.merged_into.is_(None),
            customers.c.erased_at.is_(None),
        )
        .distinct()
        .order_by(traits.c.customer_id)
        .limit(limit_rows)
    )
    return [CustomerId(row.customer_id) for row in tx.execute(query)]
