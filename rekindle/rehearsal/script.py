"""What happened, in the order in which the engine came to know it: the script of a simulation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, case, func, null, select, union

from store.definitions import Key
from store.events import OWN
from store.records import Actor, CustomerId
from store.tables import (
    EPOCH,
    answers,
    approvals,
    customers,
    decisions,
    definitions,
    delivery_events,
    drift_priors,
    enrollments,
    event_kinds,
    events,
    messages,
)
from workers.starts import Wanted

A_CHUNK = 5_000
REQUESTED = "journey.requested"
FIRST, LAST = -1, 2**62  # before and after everything that arrived at the same instant
RESPONSES = ("message.delivered", "message.opened", "message.clicked", "message.bounced",
             "message.complained", "email.replied", "survey.answered", "survey.revised",
             "ticket.unsolved")  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """Something at an instant; `order` is its arrival among what has the same one."""

    at: datetime
    order: int


@dataclass(frozen=True)
class Written(Entry):
    """One definition became this text; None retires it."""

    key: Key
    body: str | None
    is_edit: bool = False  # there was a version before


@dataclass(frozen=True)
class Came(Entry):
    """A customer became known."""

    row: Mapping[str, Any]


@dataclass(frozen=True)
class Happened(Entry):
    """An event, to be looked at; `row` has the columns of `events`."""

    row: Mapping[str, Any]
    message_id: int | None = None  # it answers that recorded message


@dataclass(frozen=True)
class Returned(Entry):
    """A row of `delivery_events` or `answers` about a recorded message."""

    table: Table
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Requested(Entry):
    """A person or a program started somebody by hand."""

    wanted: Wanted


@dataclass(frozen=True)
class Answered(Entry):
    """One of our own people said yes or no; `row` has the columns of `approvals`."""

    row: Mapping[str, Any]


@dataclass(frozen=True)
class Looked(Entry):
    """The engine was at work."""


def read_script(
    connection: Connection, written: Sequence[Written], *, is_recorded: bool
) -> Iterator[Entry]:
    """Everything there is, by instant and arrival.

    In a recorded period what was imported arrives when it did; before, and where nothing was
    recorded, when it became known: at once.
    """
    sources: list[Iterator[Entry]] = [
        iter(sorted(written, key=_place)),
        _customers(connection, is_recorded=is_recorded),
        _events(connection, is_recorded=is_recorded),
        _returned(connection, delivery_events),
        _returned(connection, answers),
        _answered(connection),
    ]
    if is_recorded:
        sources.append(_looks(connection))
    return merge(*sources, key=_place)


def _place(entry: Entry) -> tuple[datetime, int]:
    return entry.at, entry.order


def read_definitions(connection: Connection) -> list[Written]:
    """Every version of every definition, when it was applied."""
    query = select(definitions).order_by(definitions.c.id)
    return [
        Written(row.known_at, FIRST, (row.kind, row.name), row.body, row.version > 1)
        for row in connection.execute(query)
    ]


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    found = connection.execution_options(stream_results=True, yield_per=A_CHUNK).execute(query)
    for rows in found.partitions(A_CHUNK):
        yield from rows


def _customers(connection: Connection, *, is_recorded: bool) -> Iterator[Came]:
    """In a recorded period somebody came with the first event that arrived."""
    first = (
        select(events.c.customer_id, func.min(_arrival(), type_=events.c.known_at.type).label("at"))
        .group_by(events.c.customer_id)
        .subquery()
    )
    is_from_file = customers.c.known_at == EPOCH
    arrived_at = case((is_from_file, customers.c.known_at),
                      else_=func.coalesce(first.c.at, customers.c.known_at,
                                          type_=customers.c.known_at.type))  # fmt: skip
    at = (arrived_at if is_recorded else customers.c.known_at).label("revealed_at")
    query = (
        select(customers, at)
        .outerjoin(first, first.c.customer_id == customers.c.id)
        .order_by(at, customers.c.id)
    )
    for row in _stream(connection, query):
        kept = {column.name: row._mapping[column.name] for column in customers.c}
        yield Came(row.revealed_at, FIRST, kept)


def _arrival() -> ColumnElement[datetime]:
    """When an event came to us: what was imported, at its import."""
    is_late = events.c.received_at > events.c.known_at
    return case((is_late, events.c.received_at), else_=events.c.known_at)


def _events(connection: Connection, *, is_recorded: bool) -> Iterator[Entry]:
    """Foreign events and people's answers to mails; of the engine's own only that it was awake."""
    at = (_arrival() if is_recorded else events.c.known_at).label("revealed_at")
    query = (
        select(events, event_kinds.c.name, event_kinds.c.actor, at)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .where(events.c.customer_id != 0)
        .order_by(at, events.c.id)
    )
    for row in _stream(connection, query):
        if row.source != OWN or row.name in RESPONSES or row.actor == Actor.CUSTOMER:
            yield Happened(row.revealed_at, row.id, _as_row(row), _message_of(row))
        elif row.name == REQUESTED:
            yield Requested(row.revealed_at, row.id, _wanted(row))
        elif is_recorded:
            yield Looked(row.known_at, row.id)


def _wanted(row: Any) -> Wanted:
    """What `start_by_hand` was asked; its event is rekindle:journey:NAME:REQUEST."""
    asked = {name: value for name, value in row.properties.items() if name != "journey"}
    request_id = row.message_id.split(":", 3)[3]
    return Wanted(row.properties["journey"], CustomerId(row.customer_id), request_id, asked)


def _answered(connection: Connection) -> Iterator[Answered]:
    query = select(approvals).where(approvals.c.answered_at.is_not(null()))
    for row in _stream(connection, query.order_by(approvals.c.answered_at, approvals.c.id)):
        yield Answered(row.answered_at, LAST, dict(row._mapping))


def _as_row(row: Any) -> dict[str, Any]:
    kept = {column.name: row._mapping[column.name] for column in events.c if column.name != "id"}
    return {**kept, "received_at": row.revealed_at}


def _message_of(row: Any) -> int | None:
    """The recorded message that an own event speaks of."""
    if row.source != OWN:
        return None
    if "message" in row.properties:
        return int(row.properties["message"])
    parts = row.message_id.split(":")  # rekindle:unsolved:MESSAGE:SURVEY
    return int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else None


def _returned(connection: Connection, table: Table) -> Iterator[Returned]:
    query = select(table).order_by(table.c.known_at, table.c.id)
    for row in _stream(connection, query):
        yield Returned(row.known_at, FIRST, table, dict(row._mapping))


def _looks(connection: Connection) -> Iterator[Looked]:
    """Instants at which the engine did something that left no event."""
    columns = (decisions.c.decided_at, messages.c.queued_at, messages.c.sent_at,
               messages.c.handed_over_at, enrollments.c.started_at, enrollments.c.ended_at,
               drift_priors.c.known_at)  # fmt: skip
    instants = union(*[select(c.label("at")).where(c.is_not(null())) for c in columns]).subquery()
    for row in connection.execute(select(instants.c.at).order_by(instants.c.at)):
        yield Looked(row.at, LAST)
