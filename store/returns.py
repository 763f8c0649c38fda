"""Acts on what came back: an address that is no more or complained is never mailed again, a reply
is something that a customer did. The same mail again changes nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, literal, or_, select, update

from rekindle.addresses import canonical
from rekindle.settings import Settings
from store.blocking import suppress_addresses
from store.fates import raise_status
from store.identities import load_owners
from store.intake import OwnEvent, record_events, record_own_events
from store.records import NOBODY, CustomerId, Identity, IncomingEvent, MessageId, Returned, Trust
from store.tables import delivery_events, messages
from store.upserts import insert_or_skip_returning

FATES = {"bounce": "bounced", "complaint": "complained"}
REASONS = {"bounce": "hard_bounce", "complaint": "complaint"}
# an address that fails softly on so many days within a fortnight is given up
SOFT_DAYS = 3
FORTNIGHT = timedelta(days=14)
SOURCE = "inbound"
# what comes back may be quicker than our own note that it was sent
HAS_LEFT = or_(messages.c.sent_at.is_not(None), messages.c.handed_over_at.is_not(None))


@dataclass(frozen=True)
class Ours:
    """The mail that something came back about."""

    id: MessageId
    customer_id: CustomerId
    template: str
    topic: str
    address: str


def act_on(
    tx: Connection, items: Sequence[Returned], now: datetime, settings: Settings
) -> set[CustomerId]:
    """Suppress, mark and tell as each item asks for; returns whose picture changed."""
    changed: set[CustomerId] = set()
    for item in items:  # a mail names a recipient or two, never thousands
        if not item.recipient and not item.header_id:
            continue
        match item.kind:
            case "bounce" | "complaint":
                changed |= _came_back(tx, item, now)
            case "reply":
                changed |= _replied(tx, item, now, settings)
            case _:  # a machine's answer or a report about us: seen, and nothing follows
                pass
    return changed


def _came_back(tx: Connection, item: Returned, now: datetime) -> set[CustomerId]:
    ours = _find_ours(tx, item)
    whose = {ours.customer_id} if ours else set()
    if ours is not None and _note(tx, item, ours, now):
        raise_status(tx, [ours.id], FATES[item.kind], now)
        _keep_gravest_reason(tx, item, ours)
        record_own_events(tx, [_event(item, ours, now)], now)
    # whoever reports may hide the address, or name the one it was forwarded to
    addresses = {canonical(item.recipient), canonical(ours.address) if ours else ""} - {""}
    if item.kind == "complaint" or item.hard:
        reason = REASONS[item.kind]
    else:
        reason = "soft_bounces"
        addresses = find_failing(tx, addresses, {*_owners(tx, item), *whose}, now)
    detail = describe_report(ours.id if ours else None, item.status, item.said)
    items = [(address, detail) for address in sorted(addresses)]
    return {*suppress_addresses(tx, items, now, reason=reason).customer_ids, *whose}


def _replied(tx: Connection, item: Returned, now: datetime, settings: Settings) -> set[CustomerId]:
    """As of anybody who writes: attached to the one customer of that address, else parked."""
    ours = _find_ours(tx, item)
    about = {"message": ours.id, "template": ours.template, "topic": ours.topic} if ours else {}
    reply = IncomingEvent(
        name="email.replied",
        occurred_at=now,
        message_id=f"{SOURCE}:{item.mark}",
        identities=(Identity.of_email(item.recipient),),
        channel="email",
        properties=about,
        source=SOURCE,
        trust=Trust.HELPDESK,
    )
    return set(record_events(tx, [reply], now=now, settings=settings).customer_ids)


def _find_ours(tx: Connection, item: Returned) -> Ours | None:
    """The mail that is named, whoever is said to have received it; without a name the last one to
    that address. A reply is about a mail to whoever replies.
    """
    query = select(
        messages.c.id,
        messages.c.customer_id,
        messages.c.template,
        messages.c.topic,
        messages.c.address,
    ).where(messages.c.customer_id != NOBODY)
    query = query.order_by(messages.c.id.desc())
    who = _owners(tx, item)
    if item.header_id:
        query = query.where(messages.c.header_id == item.header_id)
        if item.kind == "reply" and who:
            query = query.where(messages.c.customer_id.in_(who))
        row = tx.execute(query.limit(1)).first()
        return Ours(*row) if row else None
    if item.kind == "reply" or not who:
        return None
    mailbox = canonical(item.recipient)
    rows = tx.execute(query.where(messages.c.customer_id.in_(who), HAS_LEFT))
    return next((Ours(*row) for row in rows if canonical(row.address) == mailbox), None)


def _note(tx: Connection, item: Returned, ours: Ours, now: datetime) -> bool:
    """True if this is news."""
    row: dict[str, Any] = {
        "message_id": ours.id,
        "kind": FATES[item.kind],
        "occurred_at": now,
        "known_at": now,
        "provider_event_id": f"{SOURCE}:{item.mark}:{ours.id}",
        "is_machine": False,
        "details": _details(item),
    }
    statement = insert_or_skip_returning(tx, delivery_events, delivery_events.c.id)
    return tx.execute(statement, [row]).first() is not None


def _keep_gravest_reason(tx: Connection, item: Returned, ours: Ours) -> None:
    """The status that says most of a bounce, whichever came first; a complaint has none."""
    is_so = messages.c.status == FATES[item.kind]
    is_more = messages.c.reason < item.status if item.kind == "bounce" else literal(True)
    tx.execute(
        update(messages).where(messages.c.id == ours.id, is_so, is_more).values(reason=item.status)
    )


def _event(item: Returned, ours: Ours, now: datetime) -> OwnEvent:
    about = {"message": ours.id, "template": ours.template, "topic": ours.topic}
    return OwnEvent(
        ours.customer_id,
        f"message.{FATES[item.kind]}",
        now,
        f"{SOURCE}:{item.mark}:{ours.id}",
        {**about, **_details(item)},
    )


def _details(item: Returned) -> dict[str, Any]:
    if item.kind != "bounce":
        return {}
    said = {"said": item.said} if item.said else {}
    return {"hard": item.hard, "status": item.status, **said}


def describe_report(about: MessageId | None, status: str, said: str) -> str:
    """Say which report suppressed an address, and what the server said, for whoever asks later."""
    email = f"email {about}" if about is not None else "an email that is not known"
    return ": ".join(part for part in (f"report on {email}", status, said) if part)


def find_failing(
    tx: Connection, addresses: Collection[str], owners: Collection[CustomerId], now: datetime
) -> set[str]:
    """Return those of these mailboxes that bounced on so many days lately; `owners` are whose they
    are.
    """
    query = (
        select(messages.c.address, delivery_events.c.occurred_at)
        .join(messages, messages.c.id == delivery_events.c.message_id)
        .where(
            messages.c.customer_id.in_(owners),
            delivery_events.c.kind == "bounced",
            delivery_events.c.occurred_at > now - FORTNIGHT,
        )
    )
    days: dict[str, set[date]] = {}
    for address, at in tx.execute(query):
        days.setdefault(canonical(address), set()).add(at.date())  # as no database can compare it
    return {box for box, seen in days.items() if box in addresses and len(seen) >= SOFT_DAYS}


def _owners(tx: Connection, item: Returned) -> list[CustomerId]:
    owners = load_owners(tx, [Identity.of_email(item.recipient)])
    return sorted({customer for found in owners.values() for customer in found})
