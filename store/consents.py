"""What customers allow: a history that only grows; the newest word on a topic stands."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from rekindle.addresses import canonical
from rekindle.errors import TooMuch
from store.customers import load_consents, load_traits
from store.events import note_changes
from store.identities import EMAIL, load_identities, load_owners
from store.knowledge import DENIED, GRANTED, UNKNOWN, NewConsent, insert_consents
from store.mailboxes import (
    BY_PERSON,
    lift_refusals,
    load_bearers,
    load_mailbox_consents,
    save_mailbox_choices,
)
from store.records import CustomerId, Identity, MessageId
from store.suppressions import fingerprint, is_fingerprint, lift
from store.tables import consents, mailbox_consents, messages

MOST_TOPICS = 200  # that were refused together
MOST_CHANGES_A_DAY = 200  # of one customer's topics, by links in emails
DAY = timedelta(days=1)
BY_MAILBOX = "preferences"  # the source of what was said by a link in an email


@dataclass(frozen=True)
class Refusal:
    """Topics that were refused together by a link in an email."""

    at: datetime
    topics: frozenset[str]


def find_last_refusal(
    connection: Connection, customer_id: CustomerId, mailbox: str
) -> Refusal | None:
    """Return what was refused last by a link in an email to this mailbox; where none is known, by
    this customer.
    """
    table = mailbox_consents if mailbox else consents
    whose = (
        mailbox_consents.c.mailbox.in_({mailbox, fingerprint(mailbox)})
        if mailbox
        else consents.c.customer_id == customer_id
    )
    query = (
        select(table.c.topic, table.c.known_at)
        .where(whose, table.c.source == BY_MAILBOX, table.c.status == DENIED)
        .order_by(table.c.id.desc())
        .limit(MOST_TOPICS)
    )
    rows = connection.execute(query).all()
    if not rows:
        return None
    at = rows[0].known_at
    return Refusal(at, frozenset(row.topic for row in rows if row.known_at == at))


def save_choices(
    tx: Connection, customer_id: CustomerId, choices: Mapping[str, str], source: str, now: datetime
) -> bool:
    """Keep what this customer now says of these topics; False if all of it stood already."""
    standing = load_consents(tx, [customer_id], now).get(customer_id, {})
    news = {topic: status for topic, status in choices.items() if standing.get(topic) != status}
    if not news:
        return False
    insert_consents(
        tx,
        [
            NewConsent(customer_id, topic, status, source, now, now)
            for topic, status in news.items()
        ],
        now,
    )
    note_changes(tx, [(customer_id, None)])
    return True


def save_preferences(
    tx: Connection,
    customer_id: CustomerId,
    message_id: MessageId,
    choices: Mapping[str, str],
    now: datetime,
) -> bool:
    """Keep what was said by a link in this email, of the customer and of the mailbox it went to;
    False if all of it stood already.

    A yes takes back what the mailbox itself said for its other customers too: a topic that needs
    a yes of their own waits for one. A no is always taken; raises TooMuch for a yes after more
    changes within a day than anybody makes.
    """
    customer_id, mailbox = find_reader(tx, customer_id, message_id, now)
    if GRANTED in choices.values() and _changes_often(tx, customer_id, now):
        raise TooMuch("These choices were changed too often today.", DAY)
    if mailbox:
        _take_back(tx, customer_id, mailbox, choices, now)
    is_new = bool(mailbox) and save_mailbox_choices(tx, mailbox, choices, BY_MAILBOX, now)
    return save_choices(tx, customer_id, choices, BY_MAILBOX, now) or is_new


def _changes_often(tx: Connection, customer_id: CustomerId, now: datetime) -> bool:
    lately = select(consents.c.id).where(
        consents.c.customer_id == customer_id,
        consents.c.source == BY_MAILBOX,
        consents.c.known_at > now - DAY,
    )
    return tx.execute(lately.offset(MOST_CHANGES_A_DAY - 1).limit(1)).first() is not None


def _take_back(
    tx: Connection,
    reader: CustomerId,
    mailbox: str,
    choices: Mapping[str, str],
    now: datetime,
) -> None:
    """Make unknown what others refused by emails to this mailbox, and at no other of theirs."""
    standing = load_mailbox_consents(tx, [mailbox], now).get(mailbox, {})
    topics = [t for t, said in choices.items() if said == GRANTED and standing.get(t) == DENIED]
    others = load_bearers(tx, [mailbox]).get(mailbox, frozenset()) - {reader} if topics else ()
    refused = _refused_by_mailbox(tx, others, topics) if others else []
    if not refused:
        return
    elsewhere = _refused_elsewhere(tx, {customer_id for customer_id, _ in refused}, mailbox, now)
    loosened = [pair for pair in refused if pair not in elsewhere]
    insert_consents(
        tx,
        [NewConsent(id_, topic, UNKNOWN, BY_MAILBOX, now, now) for id_, topic in loosened],
        now,
    )
    note_changes(tx, [(id_, None) for id_ in sorted({id_ for id_, _ in loosened})])


def _refused_elsewhere(
    tx: Connection, ids: Collection[CustomerId], mailbox: str, now: datetime
) -> set[tuple[CustomerId, str]]:
    """Who has, or had, another mailbox that says no to which topic."""
    boxes = {i.value for i in load_identities(tx, ids) if i.kind == EMAIL} - {mailbox}
    bearers = load_bearers(tx, boxes)
    return {
        (customer_id, topic)
        for box, said in load_mailbox_consents(tx, boxes, now).items()
        for topic, status in said.items()
        if status == DENIED
        for customer_id in bearers.get(box, ())
    }


def find_reader(
    connection: Connection, customer_id: CustomerId, message_id: MessageId, now: datetime
) -> tuple[CustomerId, str]:
    """Return who has this email now and the mailbox that it went to, or may have gone to; of an
    erased one its fingerprint.
    """
    query = select(messages.c.customer_id, messages.c.address).where(messages.c.id == message_id)
    row = connection.execute(query).first()
    if row is not None:
        customer_id = CustomerId(row.customer_id)
        if is_fingerprint(row.address):
            return customer_id, row.address
        if mailbox := canonical(row.address):
            return customer_id, mailbox
    traits = load_traits(connection, [customer_id], now, names=(EMAIL,))
    return customer_id, canonical(traits.get(customer_id, {}).get(EMAIL))


def unsuppress(tx: Connection, mailboxes: Collection[str], now: datetime, reason: str) -> list[str]:
    """Allow email to these mailboxes again; return those to which something forbade it.

    A suppression is lifted. A no that was said by a link in an email becomes unknown, for the
    mailbox and for its customers: a topic that needs a yes waits for one.
    """
    return [mailbox for mailbox in mailboxes if _unsuppress(tx, mailbox, now, reason)]


def _unsuppress(tx: Connection, mailbox: str, now: datetime, reason: str) -> bool:
    was_suppressed = lift(tx, mailbox, now, reason)
    topics = lift_refusals(tx, mailbox, now, reason)
    owners = load_owners(tx, [identity := Identity.of_email(mailbox)])[identity]
    if topics and owners:
        insert_consents(
            tx,
            [
                NewConsent(customer_id, topic, UNKNOWN, BY_PERSON, now, now)
                for customer_id, topic in _refused_by_mailbox(tx, owners, topics)
            ],
            now,
        )
    note_changes(tx, [(customer_id, None) for customer_id in sorted(owners)])
    return was_suppressed or bool(topics)


def _refused_by_mailbox(
    tx: Connection, owners: Collection[CustomerId], topics: Collection[str]
) -> list[tuple[CustomerId, str]]:
    """Whose last word on a topic is a no that was said by a link in an email."""
    query = (
        select(consents.c.customer_id, consents.c.topic, consents.c.status, consents.c.source)
        .where(consents.c.customer_id.in_(owners), consents.c.topic.in_(topics))
        .order_by(consents.c.occurred_at, consents.c.id)
    )
    latest = {(row.customer_id, row.topic): (row.status, row.source) for row in tx.execute(query)}
    return [
        (CustomerId(customer_id), topic)
        for (customer_id, topic), said in latest.items()
        if said == (DENIED, BY_MAILBOX)
    ]
