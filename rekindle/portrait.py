"""Everything about one customer at an instant, for the commands and the API."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from rekindle.addresses import canonical
from rekindle.customers import find_known
from rekindle.drifting import load_figures
from rekindle.services import Services
from rekindle.workspace.library import Library
from segments.drift.sentence import describe
from store.customers import load_consents, load_customers
from store.drift import CLOCKS, is_kept_later
from store.events import is_more_known, load_timeline
from store.identities import load_identities
from store.mailboxes import load_mailbox_consents
from store.portraits import (
    MailLine,
    SaidLine,
    Trip,
    load_mails,
    load_memberships,
    load_said,
    load_trips,
    stood_at,
)
from store.records import Customer, CustomerId, Identity, StoredEvent
from store.suppressions import find_suppressed
from workers.drift import as_of_now

Place = tuple[str, datetime | None, datetime | None]  # a segment, since when, and its next check


@dataclass(frozen=True)
class Mailbox:
    """Where a customer's email goes, and what forbids it, whoever else has that address."""

    address: str  # canonical; empty where they have no usable address
    suppressed: str | None  # why
    consents: Mapping[str, str]  # said by a link in an email that went there


@dataclass(frozen=True)
class Portrait:
    """Everything about one customer at one instant."""

    customer: Customer
    identities: list[Identity]
    consents: Mapping[str, str]
    mailbox: Mailbox
    events: list[StoredEvent]
    segments: list[Place]
    drift: Mapping[str, Any]
    trips: list[Trip]
    mails: list[MailLine]
    answers: list[SaidLine]


def load_portrait(services: Services, external_id: str) -> Portrait:
    """The customer as they stand at the clock's now. Raises NotFound for a stranger."""
    with looking_at(services, external_id) as (connection, id_):
        return _portrait(connection, id_, services)


@contextmanager
def looking_at(services: Services, external_id: str) -> Iterator[tuple[Connection, CustomerId]]:
    """A look at one customer, whose drift knows of nothing that came after the clock's now.

    Raises NotFound for a stranger.
    """
    now, lexicon = services.clock.now(), services.library().lexicon
    with services.store.read() as connection:
        id_ = find_known(connection, external_id)
        if not is_kept_later(connection, id_, now):
            yield connection, id_
            return
    with as_of_now(services.store, lexicon, now, customer_ids=[id_]) as connection:
        yield connection, id_


def _portrait(connection: Connection, id_: CustomerId, services: Services) -> Portrait:
    library, now, known_by = services.library(), services.clock.now(), services.as_of
    timeline = load_timeline(connection, id_, now)
    customer = load_customers(connection, [id_], now, known_by=known_by)[id_]
    return Portrait(
        customer=customer,
        identities=load_identities(connection, [id_]),
        consents=load_consents(connection, [id_], now, known_by=known_by).get(id_, {}),
        mailbox=_load_mailbox(connection, customer, now, known_by),
        events=timeline,
        segments=_load_segments(connection, id_, timeline, now),
        drift=_load_drift(connection, id_, library, now),
        trips=list(stood_at(load_trips(connection, id_), now)),
        mails=load_mails(connection, id_, now),
        answers=load_said(connection, id_, now),
    )


def _load_mailbox(
    connection: Connection, customer: Customer, now: datetime, known_by: datetime | None
) -> Mailbox:
    address = canonical(customer.email)
    return Mailbox(
        address,
        find_suppressed(connection, [address], now, known_by=known_by).get(address),
        load_mailbox_consents(connection, [address], now, known_by=known_by).get(address, {}),
    )


def _load_segments(
    connection: Connection, id_: CustomerId, timeline: Sequence[StoredEvent], now: datetime
) -> list[Place]:
    """What is stored; of the past what the customer had entered by then and not left."""
    if not is_more_known(connection, id_, now):
        return load_memberships(connection, id_)
    since: dict[str, datetime] = {}
    for event in timeline:
        segment = str(event.properties.get("segment"))
        if event.name == "segment.entered":
            since[segment] = event.occurred_at
        elif event.name == "segment.left":
            since.pop(segment, None)
    return [(segment, at, None) for segment, at in sorted(since.items())]


def _load_drift(
    connection: Connection, id_: CustomerId, library: Library, now: datetime
) -> dict[str, Any]:
    """By clock, for those on which the customer was ever active."""
    brand = library.settings.brand
    drift = {}
    for clock in CLOCKS:
        found = load_figures(connection, [id_], now, library.settings.brand.tz, clock).get(id_)
        if found:
            drift[clock] = {
                **asdict(found),
                "sentence": describe(found, brand.language, now, brand.tz),
            }
    return drift


def as_document(portrait: Portrait) -> dict[str, Any]:
    """The shape that scripts rely on."""
    return {
        "id": portrait.customer.external_id,
        "traits": portrait.customer.traits,
        "identities": [{"kind": i.kind, "value": i.value} for i in portrait.identities],
        "consents": portrait.consents,
        "mailbox": asdict(portrait.mailbox),
        "events": [_event(event) for event in portrait.events],
        "segments": [
            {"segment": name, "since": since, "next_check_at": check}
            for name, since, check in portrait.segments
        ],
        "drift": portrait.drift,
        "enrollments": [_trip(trip, portrait.customer) for trip in portrait.trips],
        "messages": [
            {"id": m.id, "template": m.template, "status": m.status, "reason": m.reason, "at": m.at}
            for m in portrait.mails
        ],
        "answers": [vars(answer) for answer in portrait.answers],
    }


def _event(event: StoredEvent) -> dict[str, Any]:
    return {
        "name": event.name,
        "channel": event.channel,
        "occurred_at": event.occurred_at,
        "message_id": event.message_id,
        "properties": event.properties,
    }


def _trip(trip: Trip, customer: Customer) -> dict[str, Any]:
    return {
        "journey": trip.journey,
        "customer": customer.external_id,
        "key": trip.key,
        "entered_at": trip.started_at,
        "ended_at": trip.ended_at,
        "ended": trip.ended,
        "held_out": trip.is_held_out,
        "steps": [
            {
                "step": line.step,
                "visit": line.visit,
                "due_at": line.due_at,
                "decision": line.decision,
                "reason": line.reason,
            }
            for line in trip.decisions
        ],
    }
