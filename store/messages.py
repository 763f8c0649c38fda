"""Messages: queued once per step and visit, claimed by one worker, handed over at most once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    Connection,
    and_,
    bindparam,
    func,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from store.records import CustomerId, Enrollment, EnrollmentId, Message, MessageId
from store.tables import messages, stored_mails
from store.upserts import insert_or_skip, insert_or_skip_returning

COLUMNS = (
    messages.c.id,
    messages.c.customer_id,
    messages.c.enrollment_id,
    messages.c.step,
    messages.c.visit,
    messages.c.template,
    messages.c.topic,
    messages.c.survey,
    messages.c.address,
    messages.c.status,
    messages.c.reason,
    messages.c.header_id,
    messages.c.payload,
    messages.c.queued_at,
    messages.c.due_at,
    messages.c.handed_over_at,
    messages.c.sent_at,
    messages.c.paced_at,
)
ROWS = select(*COLUMNS)
# when a mail that was taken left, as far as we know
LEFT_AT = func.coalesce(
    messages.c.sent_at,
    messages.c.handed_over_at,
    messages.c.queued_at,
    type_=messages.c.sent_at.type,
)
TAKEN = ("sending", "sent", "delivered", "bounced", "complained", "uncertain")

# statements are made once: making one costs more than running it
IDS: BindParameter[Any] = bindparam("ids", expanding=True)
BY_ID = ROWS.where(messages.c.id.in_(IDS)).order_by(messages.c.id)
AT = ROWS.where(
    tuple_(messages.c.enrollment_id, messages.c.step, messages.c.visit).in_(
        bindparam("keys", expanding=True)
    )
)
DUE = (
    ROWS.where(messages.c.due_at <= bindparam("now"), messages.c.claimed_by.is_(None))
    .order_by(messages.c.due_at, messages.c.id)
    .limit(bindparam("limit_rows"))
    .with_for_update(skip_locked=True)
)
DUE_OF = DUE.where(messages.c.id.in_(IDS))
ATTEMPTS = select(messages.c.id, messages.c.attempts).where(messages.c.id.in_(IDS))
STORED = select(stored_mails.c.message_id, stored_mails.c.mime).where(
    stored_mails.c.message_id.in_(IDS)
)
INVITATIONS = select(
    messages.c.enrollment_id, messages.c.survey, messages.c.status, messages.c.reason
).where(messages.c.enrollment_id.in_(IDS), messages.c.survey.is_not(None))
SENT = (
    select(messages.c.customer_id, LEFT_AT.label("at"), messages.c.topic, messages.c.address)
    .where(
        messages.c.customer_id.in_(IDS),
        messages.c.status.in_(TAKEN),
        messages.c.topic != "service",
        LEFT_AT > bindparam("since"),  # noqa: SIM300 (a column, not a constant)
    )
    .order_by(LEFT_AT.desc())
)
INVITED = (
    select(
        messages.c.customer_id, LEFT_AT.label("at"), messages.c.enrollment_id, messages.c.address
    )
    .where(
        messages.c.customer_id.in_(IDS),
        messages.c.survey.is_not(None),
        messages.c.status.in_(TAKEN),
    )
    .order_by(LEFT_AT.desc())
)


class SentLately(NamedTuple):
    """An email that a customer was sent, for the contact budget."""

    at: datetime
    topic: str
    address: str


class Invited(NamedTuple):
    """A survey invitation that left, for the rest after it."""

    at: datetime
    enrollment_id: EnrollmentId | None
    address: str


@dataclass(frozen=True)
class Sending:
    """What became of one attempt, as the worker that made it knows."""

    message_id: MessageId
    status: str  # sent, refused, uncertain, bounced, queued (try again)
    reason: str = ""
    sent_at: datetime | None = None
    due_at: datetime | None = None
    deferred_at: datetime | None = None
    provider_message_id: str | None = None
    is_unwritten: bool = False  # refused because its template fails
    is_given_up: bool = False  # refused because its provider put it off for too long
    is_hard: bool = False  # bounced: the mailbox is no more
    code: str = ""  # of a bounce: the enhanced status code


def as_message(row: Any) -> Message:
    """The message in the first columns of a row."""
    return Message(*tuple(row)[: len(COLUMNS)])


def queue_messages(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> list[MessageId]:
    """Add messages; one that its (enrollment, step, visit) already has is left as it is."""
    if not rows:
        return []
    statement = insert_or_skip_returning(tx, messages, messages.c.id)
    return [MessageId(row.id) for row in tx.execute(statement, list(rows))]


def messages_at(
    tx: Connection, standing: Sequence[Enrollment]
) -> dict[tuple[EnrollmentId, str, int], Message]:
    """The message of each enrollment's step and visit, where there is one."""
    keys = [(one.id, one.step, one.visit) for one in standing]
    if not keys:
        return {}
    found = [as_message(row) for row in tx.execute(AT, {"keys": keys})]
    return {(one.enrollment_id, one.step, one.visit): one for one in found if one.enrollment_id}


def load_messages(tx: Connection, ids: Sequence[MessageId]) -> list[Message]:
    """Messages by id, oldest first."""
    return [as_message(row) for row in tx.execute(BY_ID, {"ids": ids})]


def refused_surveys(
    tx: Connection, ids: Sequence[EnrollmentId]
) -> dict[EnrollmentId, dict[str, str]]:
    """For each enrollment the surveys whose invitations were all refused or cancelled, with the
    reason.
    """
    refused: dict[EnrollmentId, dict[str, str]] = {}
    alive: set[tuple[int, str]] = set()
    for row in tx.execute(INVITATIONS, {"ids": ids}):
        if row.status in ("refused", "cancelled"):
            refused.setdefault(row.enrollment_id, {})[row.survey] = row.reason
        else:
            alive.add((row.enrollment_id, row.survey))
    return {
        id_: {name: why for name, why in theirs.items() if (id_, name) not in alive}
        for id_, theirs in refused.items()
    }


def lock_due(
    tx: Connection, now: datetime, limit_rows: int, ids: Sequence[int] | None = None
) -> list[Message]:
    """Messages due at `now`, locked for this transaction, at most one a customer so that caps see
    each other.
    """
    query, asked = (DUE, {}) if ids is None else (DUE_OF, {"ids": ids})
    seen: set[CustomerId] = set()
    chosen = []
    for row in tx.execute(query, {"now": now, "limit_rows": limit_rows, **asked}):
        message = as_message(row)
        if message.customer_id == 0 or message.customer_id not in seen:
            chosen.append(message)
            seen.add(message.customer_id)
    return chosen


def find_due(
    tx: Connection, now: datetime, wall: datetime, until: datetime, limit_rows: int
) -> list[int]:
    """Ids of due messages that no broker holds, marked as held by one until then (wall time)."""
    column = messages.c.enqueued_until
    held = and_(column > wall, column <= until)  # later is what a wrong clock wrote
    free = or_(column.is_(None), not_(held))
    query = (
        select(messages.c.id)
        .where(messages.c.due_at <= now, messages.c.claimed_by.is_(None), free)
        .order_by(messages.c.due_at)
        .limit(limit_rows)
        .with_for_update(skip_locked=True)
    )
    ids = [row.id for row in tx.execute(query)]
    if ids:
        tx.execute(update(messages).where(messages.c.id.in_(ids)).values(enqueued_until=until))
    return ids


def hold(tx: Connection, held: Mapping[MessageId, tuple[datetime, str, datetime | None]]) -> None:
    """Ask again for these at their instants, for the reason given; some have their place then."""
    if held:
        tx.execute(
            update(messages)
            .where(messages.c.id == bindparam("id_"))
            .values(
                status="held",
                due_at=bindparam("due_at_"),
                reason=bindparam("reason_"),
                paced_at=bindparam("paced_at_"),
                enqueued_until=None,
            ),
            [
                {"id_": id_, "due_at_": until, "reason_": why, "paced_at_": paced_at}
                for id_, (until, why, paced_at) in held.items()
            ],
        )


def refuse(tx: Connection, refused: Mapping[MessageId, str]) -> None:
    """These are never sent, because."""
    if refused:
        tx.execute(
            update(messages)
            .where(messages.c.id == bindparam("id_"))
            .values(status="refused", due_at=None, reason=bindparam("reason_"), claimed_by=None),
            [{"id_": id_, "reason_": why} for id_, why in refused.items()],
        )


def cancel_queued(tx: Connection, ids: Sequence[EnrollmentId], reason: str) -> None:
    """Mails that have not left are not sent once their enrollment was left."""
    if ids:
        tx.execute(
            update(messages)
            .where(messages.c.enrollment_id.in_(ids), messages.c.status.in_(("queued", "held")))
            .values(status="cancelled", reason=reason, due_at=None)
        )


def attempts_of(tx: Connection, ids: Sequence[MessageId]) -> dict[MessageId, int]:
    return {MessageId(id_): number for id_, number in tx.execute(ATTEMPTS, {"ids": ids})}


def store_mails(tx: Connection, mails: Mapping[MessageId, bytes]) -> None:
    """Keep the bytes of service mails, so that an uncertain one is sent again as it was."""
    if mails:
        tx.execute(
            insert_or_skip(tx, stored_mails),
            [{"message_id": id_, "mime": mime} for id_, mime in mails.items()],
        )


def load_stored(tx: Connection, ids: Sequence[MessageId]) -> dict[MessageId, bytes]:
    if not ids:
        return {}
    return {MessageId(id_): mime for id_, mime in tx.execute(STORED, {"ids": ids})}


def sent_lately(
    tx: Connection, customer_ids: Sequence[CustomerId], since: datetime
) -> dict[CustomerId, list[SentLately]]:
    """Return what each customer was sent after `since`, newest first; service email aside."""
    found: dict[CustomerId, list[SentLately]] = {}
    for customer_id, *sent in tx.execute(SENT, {"ids": customer_ids, "since": since}):
        found.setdefault(customer_id, []).append(SentLately(*sent))
    return found


def last_invitations(
    tx: Connection, customer_ids: Sequence[CustomerId]
) -> dict[CustomerId, list[Invited]]:
    """Return the survey invitations that left to each customer, newest first."""
    found: dict[CustomerId, list[Invited]] = {}
    for customer_id, *invited in tx.execute(INVITED, {"ids": customer_ids}):
        found.setdefault(customer_id, []).append(Invited(*invited))
    return found


def count_by_status(connection: Connection) -> dict[str, int]:
    query = select(messages.c.status, func.count().label("number")).group_by(messages.c.status)
    return {row.status: row.number for row in connection.execute(query)}
