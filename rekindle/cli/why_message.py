"""Why a mail was sent, held or refused: the chain of decisions behind it, with what was known."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from journeys.advance import questions
from journeys.graph import build_graph
from journeys.permission import PAUSED
from rekindle.addresses import canonical
from rekindle.errors import NotFound
from rekindle.looking import explained, looking
from rekindle.services import Services
from rekindle.workspace.library import Library
from segments.subjects import Scope
from store.customers import load_traits
from store.portraits import DecisionLine, MailLine, Trip, find_mail, load_trips
from store.providers import find_provider_state
from store.records import CustomerId, DefinitionId, Enrollment, EnrollmentId, EventId, MessageId
from store.tables import (
    delivery_events,
    enrollments,
    event_kinds,
    events,
    messages,
    suppressions,
)
from workers.providers import say_outage
from workers.questions import reply_to

ADVICE = {  # how a reason begins -> what would have to change
    "no usable address": "the customer needs an 'email' that names one mailbox",
    "suppressed": "the suppression would have to be lifted",
    "said no to": "the customer would have to say yes to the topic",
    "this mailbox said no to": "its owner would have to allow it by a link in an email, or "
    "'customer unsuppress'",
    "has not said yes to": "the customer would have to say yes to the topic",
    "another customer has this address": "nothing: each mailbox gets one copy of an email that is "
    "not of the topic service",
    "over the cap": "fewer other mails, a larger cap, or a higher priority",
    "was asked on": "the rest after the last survey has to pass",
    "quiet hours": "it waits until they are over",
    PAUSED: "somebody has to resume the journey",
    "unhappy now": "their ticket has to be solved, or the bad answer made good",
    "would have got": "nothing: a stable hash holds this customer out",
    "only_if": "'only_if' would have to hold when it is asked",
    "the enrollment was left": "the customer would have to be in the journey still",
}


@dataclass(frozen=True)
class Start:
    """What started the enrollment; `conditions` explains a segment's rule at that instant."""

    event: str
    occurred_at: datetime
    known_at: datetime
    properties: Mapping[str, Any]
    segment: str | None = None
    conditions: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Link:
    """One decision of the chain, and the conditions it asked as they were then."""

    decision: DecisionLine
    conditions: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Delivery:
    """What became of the mail at one instant."""

    kind: str
    at: datetime
    is_machine: bool
    details: Mapping[str, Any]
    source: str  # who told it: inbound, sendgrid, …; empty for ourselves


@dataclass(frozen=True)
class SuppressionLine:
    """Why an address was not to be emailed, and since when."""

    reason: str
    detail: str
    known_at: datetime


@dataclass(frozen=True)
class Chain:
    """Everything behind one mail."""

    mail: MailLine
    trip: Trip | None
    start: Start | None
    links: tuple[Link, ...]
    deliveries: tuple[Delivery, ...]
    suppressions: tuple[SuppressionLine, ...] = ()  # of an email that was refused for it

    @property
    def change(self) -> str:
        """What would have to change for a mail that did not go."""
        return advice_for(self.mail.reason)

    def as_document(self) -> dict[str, Any]:
        return {
            "message": asdict(self.mail),
            "enrollment": None if self.trip is None else asdict(replace(self.trip, decisions=())),
            "started_by": None if self.start is None else asdict(self.start),
            "chain": [
                {**asdict(one.decision), "conditions": list(one.conditions)} for one in self.links
            ],
            "deliveries": [asdict(one) for one in self.deliveries],
            "suppressions": [asdict(one) for one in self.suppressions],
            "change": self.change,
        }


def advice_for(reason: str) -> str:
    """What would have to change where this was the reason; empty where nothing can be said."""
    return next((what for begins, what in ADVICE.items() if reason.startswith(begins)), "")


def find_chain(services: Services, message_id: MessageId) -> Chain:
    """Raises NotFound if there is no such mail."""
    library = services.library()
    with services.store.read() as connection:
        mail = find_mail(connection, message_id)
        if mail is None:
            raise NotFound(f"no mail has the number {message_id}.")
        mail = _with_outage(connection, mail, library.settings.provider)
        deliveries = _deliveries(connection, message_id)
        suppressed = _suppressions(connection, mail)
        row = connection.execute(
            select(enrollments, messages.c.queued_at)
            .join(messages, messages.c.enrollment_id == enrollments.c.id)
            .where(messages.c.id == message_id)
        ).first()
        if row is None:  # to our own people, or of a customer who was erased
            return Chain(mail, None, None, (), deliveries, suppressed)
        trip = next(one for one in load_trips(connection, row.customer_id) if one.id == row.id)
        links = _links(connection, library, row, trip)
        start = _load_start(connection, row.event_id)
    started = _explain(services, start, row.customer_id)
    return Chain(mail, trip, started, links, deliveries, suppressed)


def _with_outage(connection: Connection, mail: MailLine, provider: str) -> MailLine:
    """A mail that waits because its provider takes none at the moment says so."""
    state = find_provider_state(connection, provider) if mail.status == "queued" else None
    return replace(mail, reason=say_outage(state)) if state else mail


def _deliveries(connection: Connection, message_id: MessageId) -> tuple[Delivery, ...]:
    query = (
        select(delivery_events)
        .where(delivery_events.c.message_id == message_id)
        .order_by(delivery_events.c.occurred_at, delivery_events.c.id)
    )
    return tuple(
        Delivery(row.kind, row.occurred_at, row.is_machine, row.details, _teller(row))
        for row in connection.execute(query)
    )


def _teller(row: Any) -> str:
    """Ids of others' reports begin with whose they are."""
    return str(row.provider_event_id or "").partition(":")[0]


def _address_of(connection: Connection, mail: MailLine) -> object:
    """The address that its customer had then."""
    owner = select(messages.c.customer_id).where(messages.c.id == mail.id)
    customer = CustomerId(connection.scalars(owner).one())
    traits = load_traits(connection, [customer], mail.at, names={"email"})
    return traits.get(customer, {}).get("email")


def _suppressions(connection: Connection, mail: MailLine) -> tuple[SuppressionLine, ...]:
    """Each that holds or held for the address of an email that was refused for being suppressed."""
    if not mail.reason.startswith("suppressed"):
        return ()
    address = mail.address or _address_of(connection, mail)  # refused before it was written
    query = (
        select(suppressions.c.reason, suppressions.c.detail, suppressions.c.known_at)
        .where(suppressions.c.address == canonical(address))
        .order_by(suppressions.c.id)
    )
    return tuple(SuppressionLine(*row) for row in connection.execute(query))


def _links(connection: Connection, library: Library, row: Any, trip: Trip) -> tuple[Link, ...]:
    return tuple(
        Link(line, _asked(connection, library, row, line))
        for line in trip.decisions
        if line.decided_at <= trip_end(trip, row.queued_at, line)
    )


def trip_end(trip: Trip, queued_at: datetime, line: DecisionLine) -> datetime:
    """The chain ends with the decision about the mail, the first one after it was queued."""
    after = [one.decided_at for one in trip.decisions if one.decided_at >= queued_at]
    return min(after, default=line.decided_at)


def _asked(
    connection: Connection, library: Library, row: Any, line: DecisionLine
) -> list[dict[str, Any]]:
    """The conditions of a branch or an `only_if`, answered for the instant of the decision."""
    journey = library.journey_versions.get(DefinitionId(row.version_id))
    graph = build_graph(journey) if journey is not None else None
    if graph is None or line.step not in graph.nodes:
        return []
    asked = [one for one in questions(graph, line.step) if one.scope is Scope.HISTORY]
    one = Enrollment(
        EnrollmentId(row.id), row.journey, DefinitionId(row.version_id),
        CustomerId(row.customer_id), row.key, row.event_id, row.is_held_out, row.started_at,
        line.step, line.visit, line.due_at,
    )  # fmt: skip
    [(replies, _)] = reply_to(
        connection, library, asked, [one], line.decided_at, known_by=line.decided_at
    )
    return [
        {
            "question": question.name,
            "condition": question.condition.model_dump(
                mode="json", by_alias=True, exclude_unset=True
            ),
            "holds": replies[question.name].holds,
        }
        for question in asked
    ]


def _load_start(connection: Connection, event_id: EventId | None) -> Start | None:
    query = (
        select(events, event_kinds.c.name)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .where(events.c.id == event_id)
    )
    row = connection.execute(query).first() if event_id is not None else None
    if row is None:
        return None
    segment = row.properties.get("segment") if row.name.startswith("segment.") else None
    return Start(row.name, row.occurred_at, row.known_at, row.properties, segment)


def _explain(services: Services, start: Start | None, customer_id: CustomerId) -> Start | None:
    """A segment's rule, condition by condition, as it stood when it was found to hold."""
    if start is None or start.segment is None:
        return start
    then = services.looking_back(start.known_at)
    if start.segment not in then.library().segments:
        return start
    with looking(then, start.segment) as look:
        return replace(start, conditions=explained(look, start.segment, customer_id))


def condition_line(row: Mapping[str, Any]) -> str:
    """A question and its answer: `when 1: no {...}`."""
    holds = "yes" if row["holds"] else "no"
    return f"{row['question']}: {holds}  {json.dumps(row['condition'], ensure_ascii=False)}"
