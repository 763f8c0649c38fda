"""Forgets a person: what names them goes, what was counted stays on a row that names nobody."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    case,
    cast,
    delete,
    false,
    func,
    literal,
    or_,
    select,
    update,
)

from rekindle.addresses import canonical
from rekindle.errors import NotNow
from store.identities import EMAIL
from store.mailboxes import forget_mailboxes
from store.permission_changes import note_permission_change
from store.records import NOBODY, CustomerId, MessageId
from store.suppressions import fingerprint, keep_by_fingerprint
from store.tables import (
    alarms,
    answers,
    approvals,
    consents,
    customers,
    decisions,
    delivery_events,
    drift_states,
    effects,
    enrollments,
    events,
    hits,
    identities,
    mail_copies,
    memberships,
    messages,
    parked_events,
    pending_changes,
    positions,
    rejects,
    stored_mails,
    traits,
)

ERASED = "erased"
DELETED = (identities, traits, consents, memberships, drift_states, pending_changes)
UNSENT = ("queued", "held")


@dataclass(frozen=True)
class Person:
    """One customer with all who were merged into them, and every word that names them."""

    ids: tuple[CustomerId, ...]
    external_ids: frozenset[str]
    identities: frozenset[tuple[str, str]]  # kind, value
    addresses: frozenset[str]  # canonical, and as they were given, in lower case

    @property
    def enrollments(self) -> Select[Any]:
        return select(enrollments.c.id).where(enrollments.c.customer_id.in_(self.ids))

    @property
    def messages(self) -> Select[Any]:
        """Mails to them, and notices about them to our own people."""
        about = messages.c.payload["enrollment_id"].as_integer()
        is_notice = (messages.c.customer_id == NOBODY) & about.in_(self.enrollments)
        return select(messages.c.id).where(or_(messages.c.customer_id.in_(self.ids), is_notice))


def erase_customer(tx: Connection, customer_id: CustomerId, now: datetime) -> list[MessageId]:
    """Take out of every row what names or describes this person; returns their mails.

    Raises NotNow while one of their mails is leaving.
    """
    person = _load_person(tx, customer_id)
    _require_at_rest(tx, person)
    mails = [MessageId(number) for number in tx.scalars(person.messages)]
    alone = _theirs_alone(tx, person)
    keep_by_fingerprint(tx, alone)
    forget_mailboxes(tx, alone)
    _forget_foreign(tx, person)
    _forget_mails(tx, person)
    _forget_trips(tx, person, now)
    _forget_events(tx, person)
    for table in DELETED:
        tx.execute(delete(table).where(table.c.customer_id.in_(person.ids)))
    _blank(tx, answers, answers.c.customer_id.in_(person.ids), {"comment": "", "key": ""})
    _blank(tx, customers, customers.c.id.in_(person.ids), {"external_id": None, "erased_at": now})
    return mails


def _load_person(tx: Connection, customer_id: CustomerId) -> Person:
    rows = tx.execute(
        select(customers.c.id, customers.c.external_id).where(
            or_(customers.c.id == customer_id, customers.c.merged_into == customer_id)
        )
    ).all()
    ids = tuple(CustomerId(row.id) for row in rows)
    known = tx.execute(
        select(identities.c.kind, identities.c.value).where(identities.c.customer_id.in_(ids))
    )
    named = frozenset((row.kind, row.value) for row in known)
    said = tx.scalars(
        select(traits.c.value).where(traits.c.customer_id.in_(ids), traits.c.name == EMAIL)
    )
    written = tx.scalars(select(messages.c.address).where(messages.c.customer_id.in_(ids)))
    addresses = {value for kind, value in named if kind == EMAIL}
    given = [value for value in (*said, *written) if isinstance(value, str)]
    addresses |= {value.strip().lower() for value in given} | set(map(canonical, given))
    external_ids = frozenset(row.external_id for row in rows if row.external_id)
    return Person(ids, external_ids, named, frozenset(addresses - {""}))


def _require_at_rest(tx: Connection, person: Person) -> None:
    leaving = select(func.count()).where(
        messages.c.id.in_(person.messages), messages.c.claimed_by.is_not(None)
    )
    if tx.scalar(leaving):
        raise NotNow("a mail to this customer is leaving at this moment; try again in a minute.")


def _theirs_alone(tx: Connection, person: Person) -> frozenset[str]:
    """The addresses that no other customer has."""
    shared = tx.scalars(
        select(identities.c.value).where(
            identities.c.kind == EMAIL,
            identities.c.value.in_(person.addresses),
            identities.c.customer_id.not_in(person.ids),
        )
    )
    return person.addresses - set(shared)


def _forget_foreign(tx: Connection, person: Person) -> None:
    """Events that waited for this person, and what was not taken but names them."""
    waits = or_(
        false(),
        *(
            (parked_events.c.kind == kind) & (parked_events.c.value == value)
            for kind, value in person.identities
        ),
    )
    waiting = tx.scalars(select(parked_events.c.event_id).where(waits)).all()
    tx.execute(delete(parked_events).where(parked_events.c.event_id.in_(waiting)))
    tx.execute(delete(events).where(events.c.id.in_(waiting)))
    names = [json.dumps(one) for one in person.external_ids]
    names += [json.dumps(value) for _, value in person.identities]
    item = cast(rejects.c.item, Text)
    tx.execute(
        delete(rejects).where(
            or_(
                _speaks_of(rejects.c.reason, person.addresses),
                _speaks_of(item, (*person.addresses, *names)),
            )
        )
    )


def _forget_mails(tx: Connection, person: Person) -> None:
    mine = messages.c.id.in_(person.messages)
    unsent = mine & messages.c.status.in_(UNSENT)
    tx.execute(
        update(messages).where(unsent).values(status="cancelled", reason=ERASED, due_at=None)
    )
    for kept in (stored_mails, mail_copies):
        tx.execute(delete(kept).where(kept.c.message_id.in_(person.messages)))
    _blank(tx, hits, hits.c.message_id.in_(person.messages), {"agent": ""})
    _blank(tx, delivery_events, delivery_events.c.message_id.in_(person.messages), {"details": {}})
    words = {"reason": _without(messages.c.reason, person)}
    _blank(tx, messages, mine, {"payload": None, **words})
    _forget_addresses(tx, person)
    quoting = _speaks_of(alarms.c.message, person.addresses)  # what failed at their mail
    _blank(tx, alarms, quoting, {"message": ERASED})


def _forget_addresses(tx: Connection, person: Person) -> None:
    """A link in an email to them still says no for its mailbox: its fingerprint stays."""
    theirs = messages.c.customer_id.in_(person.ids)
    for address in tx.scalars(select(messages.c.address).where(theirs).distinct()).all():
        mailbox = canonical(address)
        mark = fingerprint(mailbox) if mailbox else ""
        _blank(tx, messages, theirs & (messages.c.address == address), {"address": mark})
    notices = messages.c.id.in_(person.messages) & (messages.c.customer_id == NOBODY)
    _blank(tx, messages, notices, {"address": ""})


def _forget_trips(tx: Connection, person: Person, now: datetime) -> None:
    """Whoever was under way leaves; of each trip its steps remain."""
    mine = person.enrollments
    words = {"reason": _without(decisions.c.reason, person)}
    _blank(tx, decisions, decisions.c.enrollment_id.in_(mine), words)
    _blank(tx, approvals, approvals.c.enrollment_id.in_(mine), {"message": ""})
    theirs = effects.c.enrollment_id.in_(mine)
    _blank(tx, effects, theirs & (effects.c.status == "due"), {"status": "failed", "due_at": None})
    _blank(tx, effects, theirs, {"payload": {}, "error": ERASED})
    tx.execute(delete(positions).where(positions.c.enrollment_id.in_(mine)))
    own = enrollments.c.customer_id.in_(person.ids)
    under_way = own & enrollments.c.ended_at.is_(None)
    _blank(tx, enrollments, under_way, {"ended": "exited", "ended_at": now})
    marks = {"key": "", "occurrence": literal(f"{ERASED}:") + cast(enrollments.c.id, Text)}
    _blank(tx, enrollments, own, marks)
    note_permission_change(tx, person.ids)


def _forget_events(tx: Connection, person: Person) -> None:
    mark = literal(f"{ERASED}:") + cast(events.c.id, Text)
    values = {"message_id": mark, "properties": {}, "original_name": None}
    _blank(tx, events, events.c.customer_id.in_(person.ids), values)


def _blank(
    tx: Connection, table: Table, where: ColumnElement[bool], values: Mapping[str, Any]
) -> None:
    tx.execute(update(table).where(where).values(**values))


def _without(column: ColumnElement[str], person: Person) -> ColumnElement[str]:
    """The text, or no more than that it was erased where it names an address."""
    return case((_speaks_of(column, person.addresses), literal(ERASED)), else_=column)


def _speaks_of(text: ColumnElement[str], words: Sequence[str] | frozenset[str]) -> Any:
    return or_(false(), *(text.icontains(word, autoescape=True) for word in words))
