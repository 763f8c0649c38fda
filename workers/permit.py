"""Gathers, in sets, what the permission of a batch of messages depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from journeys.permission import Asked, Verdict, ask
from journeys.timing import zone_of
from rekindle.settings import Settings
from rekindle.workspace.library import Library
from segments.definition import Condition, parse_condition
from segments.prepared import parameters, prepare
from segments.subjects import Sort
from store.customers import load_consents, load_traits
from store.messages import ended_reasons, last_invitations, sent_lately
from store.records import NOBODY, CustomerId, EnrollmentId, Message
from store.suppressions import find_suppressed

BAD_SCORE = {"csat": 2, "ces": 3, "nps": 6}  # the highest score that is a bad answer


@dataclass(frozen=True)
class Permitted:
    """The verdict on one message, and the address it was asked for."""

    message: Message
    address: str
    verdict: Verdict


def permit(
    tx: Connection, library: Library, batch: Sequence[Message], now: datetime
) -> list[Permitted]:
    """Ask for every message of the batch: allowed, held until, or refused because."""
    settings = library.settings
    ids = sorted({one.customer_id for one in batch if one.customer_id != NOBODY})
    traits = load_traits(tx, ids, now)
    addresses = {one.id: _address(one, traits) for one in batch}
    suppressed = find_suppressed(tx, set(addresses.values()), now)
    consents = load_consents(tx, ids, now)
    sent = sent_lately(tx, ids, now - _longest_cap(settings))
    invited = last_invitations(tx, ids)
    unhappy = find_unhappy(tx, library, ids, now)
    ended = ended_reasons(tx, {one.enrollment_id for one in batch if one.enrollment_id})
    return [
        Permitted(
            one,
            addresses[one.id],
            ask(
                Asked(
                    topic=one.topic,
                    queued_at=one.queued_at or now,
                    zone=zone_of(traits.get(one.customer_id, {}).get("zone"), settings.brand.tz),
                    survey=one.survey,
                    address=addresses[one.id],
                    suppressed=suppressed.get(addresses[one.id].lower()),
                    consent=consents.get(one.customer_id, {}).get(one.topic, "unknown"),
                    sent=sent.get(one.customer_id, ()),
                    invited_at=_invited_at(invited.get(one.customer_id, ()), one.enrollment_id),
                    unhappy=one.customer_id in unhappy,
                    ended=ended.get(one.enrollment_id) if one.enrollment_id else None,
                ),
                settings,
                now,
            ),
        )
        for one in batch
    ]


def _address(message: Message, traits: Mapping[CustomerId, Mapping[str, object]]) -> str:
    """Our own people's address is in the row; a customer's is what is known now."""
    if message.customer_id == NOBODY:
        return message.address
    email = traits.get(message.customer_id, {}).get("email")
    return email if isinstance(email, str) else ""


def _longest_cap(settings: Settings) -> timedelta:
    return max((cap.within for cap in settings.caps.values()), default=timedelta())


def _invited_at(
    invitations: Sequence[tuple[datetime, EnrollmentId | None]], enrollment_id: EnrollmentId | None
) -> datetime | None:
    """The last invitation of another enrollment: a reminder never loses against its own."""
    return next((at for at, of in invitations if of is None or of != enrollment_id), None)


def find_unhappy(
    tx: Connection, library: Library, ids: Sequence[CustomerId], now: datetime
) -> set[CustomerId]:
    """Those with an unsolved ticket, or with a bad answer of the last fortnight as their latest."""
    if not ids:
        return set()
    statement = prepare(unhappy_condition(library), Sort.CUSTOMER, library.lexicon)
    rows = tx.execute(statement, parameters(ids, now))
    return {CustomerId(row.id) for row in rows if row.holds}


def unhappy_condition(library: Library) -> Condition:
    """*Unhappy now* in the language of segments, so that it has no second meaning anywhere."""
    ticket = {
        "event": ["ticket.opened", "ticket.reopened", "ticket.unsolved"],
        "without_later": ["ticket.solved", "ticket.closed"],
        "same": "ticket_id",
    }
    answers = [
        {"answer": name, "at_most": BAD_SCORE[survey.kind], "within": "14 days"}
        for name, survey in library.surveys.items()
        if survey.kind in BAD_SCORE
    ]
    return parse_condition({"any": [ticket, *answers]})
