"""What happened, in the order in which the engine came to know it: the script of a simulation."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from heapq import merge
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    case,
    exists,
    func,
    null,
    select,
    union,
)

from rekindle.rehearsal.entries import (
    FIRST,
    LAST,
    Answered,
    Came,
    Done,
    Entry,
    Happened,
    Looked,
    Requested,
    Returned,
    Stood,
    Told,
    Written,
)
from rekindle.rehearsal.imports import Import, find_imports
from rekindle.rehearsal.owners import BY_MERGE, Owners
from store.events import OWN
from store.interventions import Intervention, load_interventions
from store.records import Actor, CustomerId
from store.tables import (
    EPOCH,
    answers,
    approvals,
    consents,
    customers,
    decisions,
    definitions,
    delivery_events,
    drift_priors,
    enrollments,
    event_kinds,
    events,
    messages,
    traits,
)
from workers.starts import Wanted

A_CHUNK = 5_000
REQUESTED = "journey.requested"
INSTANT = events.c.known_at.type
RESPONSES = ("message.delivered", "message.opened", "message.clicked", "message.bounced",
             "message.complained", "email.replied", "survey.answered", "survey.revised",
             "ticket.unsolved")  # fmt: skip


@dataclass(frozen=True)
class Script:
    """Everything there is, by instant and arrival.

    In a recorded period what was imported arrives when it did; before, and where nothing was
    recorded, when it became known: at once.
    """

    connection: Connection
    is_recorded: bool
    interventions: Sequence[Intervention]
    owners: Owners

    def read(self, written: Sequence[Written]) -> Iterator[Entry]:
        """Of what has the same place the first of these sources comes first."""
        sources: list[Iterator[Entry]] = [
            self._stood(),
            self._customers(),
            self._merged_customers(),
            self._told(traits),
            self._told(consents),
            self._events(),
            self._returned(delivery_events),
            self._returned(answers),
            self._answered(),
            iter(sorted(written, key=_place)),
            (Done(one.known_at, one.last_event_id, one) for one in self.interventions),
        ]
        if self.is_recorded:
            sources += [self._imported(), self._looks()]
        return merge(*sources, key=_place)

    @cached_property
    def _imports(self) -> list[Import]:
        return find_imports(self.interventions)

    def _stood(self) -> Iterator[Stood]:
        """Where nothing waited to be looked at; else it is told before what waited."""
        for one in self.interventions:
            if one.waiting_event_id is None:
                # a merge is part of what a request brought, which nobody had looked at
                order = FIRST if one.kind == "merged" else one.last_event_id
                yield Stood(one.known_at, order)

    def _customers(self) -> Iterator[Came]:
        """In a recorded period somebody came with the first event that arrived."""
        first = (
            select(events.c.customer_id, func.min(_arrival(), type_=INSTANT).label("at"))
            .group_by(events.c.customer_id)
            .subquery()
        )
        came_at = func.coalesce(first.c.at, customers.c.known_at, type_=INSTANT)
        at = (came_at if self.is_recorded else customers.c.known_at).label("revealed_at")
        query = (
            select(customers, at)
            .outerjoin(first, first.c.customer_id == customers.c.id)
            .order_by(at, customers.c.id)
        )
        lasts = [one.rows[customers.name][1] for one in self._imports]
        for row in self._stream(query):
            place = bisect_left(lasts, row.id)
            is_imported = place < len(lasts) and self._imports[place].brings(customers, row)
            if row.id not in self.owners.involved and not (self.is_recorded and is_imported):
                yield Came(row.revealed_at, FIRST, _of_table(customers, row))

    def _imported(self) -> Iterator[Entry]:
        """Customers who came with a file, and whom else it said something of."""
        for one in self._imports:
            for row in self.connection.execute(select(customers).where(one.has(customers))):
                if row.id not in self.owners.involved:
                    yield Came(one.at, one.order, _of_table(customers, row))
            for table in (traits, consents):
                ids = select(table.c.customer_id).where(one.has(table)).distinct()
                for id_ in self.connection.scalars(ids):
                    yield Told(one.at, one.order, CustomerId(id_))

    def _merged_customers(self) -> Iterator[Came]:
        """Those whom merges made one, as two; nobody has merged them yet."""
        involved = self.owners.involved
        came_at: dict[CustomerId, datetime] = {}
        own = select(events.c.id, events.c.customer_id, _arrival().label("at"))
        for row in self.connection.execute(own.where(events.c.customer_id.in_(involved))):
            owner = self.owners.of(events, row.id, row.customer_id)
            came_at[owner] = min(came_at.get(owner, row.at), row.at)
        found = []
        for row in self.connection.execute(select(customers).where(customers.c.id.in_(involved))):
            known_at = self.owners.known_at.get(row.id, row.known_at)
            kept = {**_of_table(customers, row), "known_at": known_at, "merged_into": None}
            has_arrived = self.is_recorded and known_at != EPOCH
            at = came_at.get(row.id, known_at) if has_arrived else known_at
            found.append(Came(at, FIRST, kept))
        return iter(sorted(found, key=_place))

    def _told(self, table: Table) -> Iterator[Entry]:
        """What became known of somebody with no event of theirs, nor by a step's decision; they may
        come by it too.
        """
        is_event = exists().where(
            events.c.customer_id == table.c.customer_id, events.c.known_at == table.c.known_at
        )
        is_set = exists().where(
            enrollments.c.customer_id == table.c.customer_id,
            decisions.c.enrollment_id == enrollments.c.id,
            decisions.c.decided_at == table.c.known_at,
        )
        query = (
            select(customers, table.c.id.label("row_id"), table.c.known_at.label("told_at"))
            .join(customers, customers.c.id == table.c.customer_id)
            .where(table.c.known_at > EPOCH, ~is_event, ~is_set)
            .order_by(table.c.known_at, table.c.id)
        )
        if table is consents:
            query = query.where(consents.c.source != BY_MERGE)
        for row in self._stream(query):
            owner = self.owners.of(table, row.row_id, row.id)
            if row.id not in self.owners.involved:
                yield Came(row.told_at, FIRST, _of_table(customers, row))
            yield Told(row.told_at, FIRST, owner)

    def _events(self) -> Iterator[Entry]:
        """Foreign events and people's answers to mails; of the engine's own only that it was
        awake.
        """
        at = (_arrival() if self.is_recorded else events.c.known_at).label("revealed_at")
        query = (
            select(events, event_kinds.c.name, event_kinds.c.actor, at)
            .join(event_kinds, event_kinds.c.id == events.c.kind_id)
            .where(events.c.customer_id != 0)
            .order_by(at, events.c.id)
        )
        waited = {one.waiting_event_id for one in self.interventions}
        for row in self._stream(query):
            owner = self.owners.of(events, row.id, row.customer_id)
            if row.id in waited:
                yield Stood(row.revealed_at, row.id)
            if row.source != OWN or row.name in RESPONSES or row.actor == Actor.CUSTOMER:
                yield Happened(row.revealed_at, row.id, _as_row(row, owner), _message_of(row))
            elif row.name == REQUESTED:
                yield Requested(row.revealed_at, row.id, _wanted(row, owner))
            elif self.is_recorded:
                yield Looked(row.known_at, row.id)

    def _answered(self) -> Iterator[Answered]:
        query = select(approvals).where(approvals.c.answered_at.is_not(null()))
        for row in self._stream(query.order_by(approvals.c.answered_at, approvals.c.id)):
            yield Answered(row.answered_at, LAST, dict(row._mapping))

    def _returned(self, table: Table) -> Iterator[Returned]:
        for row in self._stream(select(table).order_by(table.c.known_at, table.c.id)):
            yield Returned(row.known_at, FIRST, table, dict(row._mapping))

    def _looks(self) -> Iterator[Looked]:
        """Instants at which the engine did something that left no event."""
        columns = (decisions.c.decided_at, messages.c.queued_at, messages.c.sent_at,
                   messages.c.handed_over_at, enrollments.c.started_at, enrollments.c.ended_at,
                   drift_priors.c.known_at)  # fmt: skip
        instants = union(*[select(c.label("at")).where(c.is_not(null())) for c in columns])
        found = instants.subquery()
        for row in self.connection.execute(select(found.c.at).order_by(found.c.at)):
            yield Looked(row.at, LAST)

    def _stream(self, query: Select[Any]) -> Iterator[Any]:
        streaming = self.connection.execution_options(stream_results=True, yield_per=A_CHUNK)
        for rows in streaming.execute(query).partitions(A_CHUNK):
            yield from rows


def _place(entry: Entry) -> tuple[datetime, int]:
    return entry.at, entry.order


def read_definitions(connection: Connection) -> list[Written]:
    """Every version of every definition, when it was applied."""
    applied = [one for one in load_interventions(connection) if one.kind == "applied"]
    orders = {one.known_at: one.last_event_id for one in applied}
    query = select(definitions).order_by(definitions.c.id)
    return [
        Written(row.known_at, orders.get(row.known_at, FIRST), (row.kind, row.name), row.body)
        for row in connection.execute(query)
    ]


def _arrival() -> ColumnElement[datetime]:
    """When an event came to us: what was imported, at its import."""
    is_late = events.c.received_at > events.c.known_at
    return case((is_late, events.c.received_at), else_=events.c.known_at)


def _of_table(table: Table, row: Any) -> dict[str, Any]:
    return {column.name: row._mapping[column] for column in table.c}


def _as_row(row: Any, owner: CustomerId) -> dict[str, Any]:
    kept = {column.name: row._mapping[column.name] for column in events.c if column.name != "id"}
    return {**kept, "received_at": row.revealed_at, "customer_id": owner}


def _wanted(row: Any, owner: CustomerId) -> Wanted:
    """What `start_by_hand` was asked; its event is rekindle:journey:NAME:CUSTOMER:REQUEST."""
    asked = {name: value for name, value in row.properties.items() if name != "journey"}
    request_id = row.message_id.split(":", 4)[4]
    return Wanted(row.properties["journey"], owner, request_id, asked)


def _message_of(row: Any) -> int | None:
    """The recorded message that an own event speaks of."""
    if row.source != OWN:
        return None
    if "message" in row.properties:
        return int(row.properties["message"])
    parts = row.message_id.split(":")  # rekindle:unsolved:MESSAGE:SURVEY
    return int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else None
