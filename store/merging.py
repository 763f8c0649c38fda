"""Makes one customer of two: the strictest consent wins, the older enrollment lives on."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Case, ColumnElement, Connection, Row, Table, case, delete, select, update

from store.customers import external_ids_of, load_consents
from store.events import OWN, NewEvent, insert_events, note_changes
from store.interventions import record_intervention
from store.kinds import Kind
from store.knowledge import DENIED, GRANTED, UNKNOWN, NewConsent, insert_consents
from store.permission_changes import note_permission_change
from store.records import Actor, CustomerId, EventId
from store.tables import (
    answers,
    consents,
    customers,
    drift_states,
    enrollments,
    events,
    identities,
    memberships,
    messages,
    microseconds,
    pending_changes,
    positions,
    traits,
)

MOVED = (events, traits, consents, messages, answers, pending_changes)
REMEMBERED = (events, traits, consents, identities, enrollments)  # by whose they were before
LEFT_BEHIND = (memberships,)  # the survivor keeps their own, which are looked at again
REBUILT = (drift_states,)  # for the survivor too
STRICTNESS = (GRANTED, UNKNOWN, DENIED)


def merge_customers(tx: Connection, merged: Mapping[CustomerId, CustomerId], now: datetime) -> None:
    """Move all that each key's customer has to the value's, who is no key in the same call."""
    if not merged:
        return
    _remember(tx, merged, now)
    involved = [*merged, *set(merged.values())]
    strictest = _strictest_consents(load_consents(tx, involved, now), merged)
    log = _log(tx, merged, now) + _end_younger_enrollments(tx, merged, now)
    _move_enrollments(tx, merged)
    _move_identities(tx, merged)
    for table in MOVED:
        _move(tx, table, table.c.customer_id, merged)
    for table in LEFT_BEHIND:
        tx.execute(delete(table).where(table.c.customer_id.in_(list(merged))))
    for table in REBUILT:
        tx.execute(delete(table).where(table.c.customer_id.in_(involved)))
    _know_as_long(tx, merged)
    _point_to_survivor(tx, merged)
    _assert_consents(tx, strictest, now)
    _keep(tx, log, now)


def _remember(tx: Connection, merged: Mapping[CustomerId, CustomerId], now: datetime) -> None:
    """What is whose until now: once moved, nothing tells it any more."""
    since = select(customers.c.id, customers.c.known_at)
    rows = tx.execute(since.where(customers.c.id.in_(set(merged.values()))))
    known = {row.id: row.known_at for row in rows}
    for loser, survivor in merged.items():
        said: dict[str, Any] = {"loser": loser, "survivor": survivor}
        said["known_at"] = microseconds(known[survivor])
        for table in REMEMBERED:
            own = select(table.c.id).where(table.c.customer_id == loser)
            said[table.name] = list(tx.scalars(own.order_by(table.c.id)))
        record_intervention(tx, "merged", said, now)


def _know_as_long(tx: Connection, merged: Mapping[CustomerId, CustomerId]) -> None:
    """The survivor was known as soon as any of them was."""
    query = select(customers.c.id, customers.c.known_at).where(
        customers.c.id.in_([*merged, *merged.values()])
    )
    since = {row.id: row.known_at for row in tx.execute(query)}
    for survivor in set(merged.values()):
        everybody = [survivor, *(loser for loser, into in merged.items() if into == survivor)]
        earliest = min(since[one] for one in everybody)
        if earliest < since[survivor]:
            tx.execute(
                update(customers).where(customers.c.id == survivor).values(known_at=earliest)
            )


def _strictest_consents(
    spoken: Mapping[CustomerId, Mapping[str, str]], merged: Mapping[CustomerId, CustomerId]
) -> dict[tuple[CustomerId, str], str]:
    strictest: dict[tuple[CustomerId, str], str] = {}
    for customer, topics in spoken.items():
        survivor = merged.get(customer, customer)
        for topic, status in topics.items():
            held = strictest.get((survivor, topic), GRANTED)
            strictest[survivor, topic] = max(held, status, key=STRICTNESS.index)
    return strictest


def _assert_consents(
    tx: Connection, strictest: Mapping[tuple[CustomerId, str], str], now: datetime
) -> None:
    spoken = load_consents(tx, {survivor for survivor, _ in strictest}, now)
    insert_consents(
        tx,
        [
            NewConsent(survivor, topic, status, "merge", now, now)
            for (survivor, topic), status in strictest.items()
            if spoken[survivor][topic] != status
        ],
        now,
    )


def _end_younger_enrollments(
    tx: Connection, merged: Mapping[CustomerId, CustomerId], now: datetime
) -> list[NewEvent]:
    """Of two active ones of a (journey, key) the newer ends; its queued messages are cancelled."""
    rows = tx.execute(
        select(enrollments)
        .where(enrollments.c.customer_id.in_(_involved(merged)), enrollments.c.ended_at.is_(None))
        .order_by(enrollments.c.started_at, enrollments.c.id)
    )
    kept: set[tuple[CustomerId, str, str]] = set()
    ended: list[NewEvent] = []
    numbers: list[int] = []
    for row in rows:
        survivor = merged.get(row.customer_id, row.customer_id)
        if (place := (survivor, row.journey, row.key)) in kept:
            numbers.append(row.id)
            ended.append(_ended(row, survivor, now))
        kept.add(place)
    _end(tx, numbers, now)
    return ended


def _ended(row: Row[Any], survivor: CustomerId, now: datetime) -> NewEvent:
    how = {"journey": row.journey, "key": row.key, "enrollment_id": row.id, "ended": "merged"}
    return _own(survivor, "enrollment.ended", f"enrollment:{row.id}:ended", how, now)


def _own(
    customer: CustomerId, name: str, message_id: str, properties: Mapping[str, Any], now: datetime
) -> NewEvent:
    kind = Kind(name, OWN, Actor.REKINDLE)
    return NewEvent(customer, kind, now, now, f"{OWN}:{message_id}", OWN, None, properties)


def _end(tx: Connection, ended: list[int], now: datetime) -> None:
    if not ended:
        return
    tx.execute(
        update(enrollments).where(enrollments.c.id.in_(ended)).values(ended_at=now, ended="merged")
    )
    tx.execute(delete(positions).where(positions.c.enrollment_id.in_(ended)))
    tx.execute(
        update(messages)
        .where(messages.c.enrollment_id.in_(ended), messages.c.status.in_(("queued", "held")))
        .values(status="cancelled", reason="merged", due_at=None)
    )
    note_permission_change(tx)


def _move_enrollments(tx: Connection, merged: Mapping[CustomerId, CustomerId]) -> None:
    """An occurrence that both had is kept under a name of its own."""
    rows = tx.execute(
        select(enrollments).where(enrollments.c.customer_id.in_(_involved(merged)))
    ).all()
    taken: set[tuple[Any, ...]] = {
        (row.customer_id, row.journey, row.key, row.occurrence)
        for row in rows
        if row.customer_id not in merged
    }
    moves = []
    for row in (row for row in rows if row.customer_id in merged):
        survivor, occurrence = merged[row.customer_id], row.occurrence
        if (survivor, row.journey, row.key, occurrence) in taken:
            occurrence = f"{occurrence} merged {row.id}"
        taken.add((survivor, row.journey, row.key, occurrence))
        moves.append((row.id, survivor, occurrence))
    if moves:
        number = enrollments.c.id
        tx.execute(
            update(enrollments)
            .where(number.in_([move[0] for move in moves]))
            .values(
                customer_id=case({move[0]: move[1] for move in moves}, value=number),
                occurrence=case({move[0]: move[2] for move in moves}, value=number),
            )
        )


def _move_identities(tx: Connection, merged: Mapping[CustomerId, CustomerId]) -> None:
    rows = tx.execute(
        select(identities)
        .where(identities.c.customer_id.in_(_involved(merged)))
        .order_by(identities.c.known_at, identities.c.id)
    )
    seen: set[tuple[CustomerId, str, str]] = set()
    doubled: list[int] = []
    for row in rows:
        place = (merged.get(row.customer_id, row.customer_id), row.kind, row.value)
        if place in seen:
            doubled.append(row.id)
        seen.add(place)
    tx.execute(delete(identities).where(identities.c.id.in_(doubled)))
    _move(tx, identities, identities.c.customer_id, merged)


def _move(
    tx: Connection,
    table: Table,
    column: ColumnElement[Any],
    merged: Mapping[CustomerId, CustomerId],
) -> None:
    tx.execute(
        update(table).where(column.in_(list(merged))).values({column: _survivor_of(column, merged)})
    )


def _point_to_survivor(tx: Connection, merged: Mapping[CustomerId, CustomerId]) -> None:
    """Whoever was merged into a loser before is now merged into the survivor: one step suffices."""
    _move(tx, customers, customers.c.merged_into, merged)
    tx.execute(
        update(customers)
        .where(customers.c.id.in_(list(merged)))
        .values(merged_into=_survivor_of(customers.c.id, merged))
    )


def _log(tx: Connection, merged: Mapping[CustomerId, CustomerId], now: datetime) -> list[NewEvent]:
    names = external_ids_of(tx, merged)
    return [
        _own(survivor, "customer.merged", f"merged:{loser}", {"customer": names[loser]}, now)
        for loser, survivor in merged.items()
    ]


def _keep(tx: Connection, log: list[NewEvent], now: datetime) -> None:
    stored = insert_events(tx, log, now)
    changes: list[tuple[CustomerId, EventId | None]] = [
        (item.customer_id, stored.get(item.message_id)) for item in log
    ]
    note_changes(tx, changes)


def _survivor_of(column: ColumnElement[Any], merged: Mapping[CustomerId, CustomerId]) -> Case[Any]:
    return case(dict(merged), value=column)


def _involved(merged: Mapping[CustomerId, CustomerId]) -> Iterable[CustomerId]:
    return {*merged, *merged.values()}
