"""What customers said: a row a revision, the newest that counts is the current one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from store.records import Answer, CustomerId, EnrollmentId, MessageId
from store.standings import note_turns
from store.tables import ANSWERED, answers, enrollments, events, messages

ASKED_AT = func.coalesce(
    messages.c.sent_at,
    messages.c.handed_over_at,
    messages.c.queued_at,
    type_=messages.c.sent_at.type,
)
INVITED: Select[Any] = (
    select(
        messages.c.id, messages.c.customer_id, messages.c.enrollment_id, messages.c.template,
        messages.c.topic, messages.c.survey, ASKED_AT.label("asked_at"), enrollments.c.key,
        events.c.properties,
    )
    .outerjoin(enrollments, enrollments.c.id == messages.c.enrollment_id)
    .outerjoin(events, events.c.id == enrollments.c.event_id)
)  # fmt: skip
ROWS: Select[Any] = select(
    answers.c.survey, answers.c.customer_id, answers.c.message_id, answers.c.score,
    answers.c.comment, answers.c.answered_at, answers.c.is_counted, answers.c.revision,
    answers.c.enrollment_id, answers.c.key, answers.c.solved,
)  # fmt: skip


@dataclass(frozen=True)
class Invited:
    """The message that asked, and what its answer is tied to."""

    message_id: MessageId
    customer_id: CustomerId
    enrollment_id: EnrollmentId | None
    template: str
    topic: str
    survey: str | None
    asked_at: datetime
    key: str
    ties: Mapping[str, Any]  # by which an answer belongs to the ticket or order it is about


def lock_message(tx: Connection, message_id: MessageId) -> None:
    """Two forms for one message take turns, where the database has more than one writer."""
    tx.execute(select(messages.c.id).where(messages.c.id == message_id).with_for_update())


def find_invited(connection: Connection, message_id: MessageId) -> Invited | None:
    """The message that asked, if it still exists."""
    row = connection.execute(INVITED.where(messages.c.id == message_id)).first()
    return _invited(row) if row else None


def _invited(row: Row[Any]) -> Invited:
    return Invited(
        message_id=MessageId(row.id),
        customer_id=CustomerId(row.customer_id),
        enrollment_id=row.enrollment_id,
        template=row.template,
        topic=row.topic,
        survey=row.survey,
        asked_at=row.asked_at,
        key=row.key or "",
        ties=_ties(row.properties or {}, row.key or ""),
    )


def _ties(start: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Of the event that started the enrollment: the ticket, and what `per` made the key of."""
    return {
        name: value
        for name, value in start.items()
        if name == "ticket_id" or (key and str(value) == key)
    }


def load_answers(connection: Connection, message_id: MessageId) -> list[Answer]:
    """Every revision of every survey that this message has had, oldest first."""
    query = ROWS.where(answers.c.message_id == message_id).order_by(answers.c.revision)
    return [Answer(*row) for row in connection.execute(query)]


def save_answer(tx: Connection, answer: Answer, now: datetime) -> None:
    """Add one revision, and let the newest that counts be the current one."""
    tx.execute(
        insert(answers).values(
            survey=answer.survey,
            customer_id=answer.customer_id,
            message_id=answer.message_id,
            enrollment_id=answer.enrollment_id,
            key=answer.key,
            score=answer.score,
            comment=answer.comment,
            solved=answer.solved,
            revision=answer.revision,
            is_current=False,
            is_counted=answer.is_counted,
            answered_at=answer.answered_at,
            known_at=now,
        )
    )
    _settle_current(tx, answer.message_id, answer.survey)


def save_standing(tx: Connection, changed: Sequence[Answer], now: datetime) -> None:
    """Write which answers count from now on, and so which are current."""
    for answer in changed:
        written = tx.execute(
            update(answers)
            .where(*_of(answer.message_id, answer.survey), answers.c.revision == answer.revision)
            .values(is_counted=answer.is_counted)
            .returning(answers.c.id)
        )
        note_turns(tx, ANSWERED, dict.fromkeys(written.scalars(), answer.is_counted), now)
        _settle_current(tx, answer.message_id, answer.survey)


def _settle_current(tx: Connection, message_id: MessageId, survey: str) -> None:
    of_message = _of(message_id, survey)
    newest = select(func.max(answers.c.revision)).where(*of_message, answers.c.is_counted)
    revision = tx.execute(newest).scalar()
    is_current = answers.c.revision == revision
    tx.execute(update(answers).where(*of_message, answers.c.is_current).values(is_current=False))
    tx.execute(update(answers).where(*of_message, is_current).values(is_current=True))


def _of(message_id: MessageId, survey: str) -> tuple[Any, ...]:
    return (answers.c.message_id == message_id, answers.c.survey == survey)
