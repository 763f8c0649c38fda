"""Everything stored about one customer, for whoever looks at them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from store.records import CustomerId, EnrollmentId, MessageId
from store.steps import STEP
from store.tables import (
    answers,
    customers,
    decisions,
    delivery_events,
    enrollments,
    memberships,
    messages,
    positions,
)


@dataclass(frozen=True)
class DecisionLine:
    """What was decided at a step, and why."""

    step: str
    visit: int
    decision: str
    reason: str
    decided_at: datetime
    due_at: datetime


@dataclass(frozen=True)
class Trip:
    """One enrollment with every decision on its way; `step` is where it stands, if it does."""

    id: EnrollmentId
    journey: str
    key: str
    is_held_out: bool
    started_at: datetime
    ended_at: datetime | None
    ended: str | None
    step: str | None
    due_at: datetime | None
    decisions: tuple[DecisionLine, ...] = ()


@dataclass(frozen=True)
class MailLine:
    """One mail in a list; `at` is when it left or, not sent yet, was queued."""

    id: MessageId
    customer: str  # external id; empty for a notice to our own people
    template: str
    topic: str
    survey: str | None
    address: str
    status: str
    reason: str
    at: datetime
    header_id: str


@dataclass(frozen=True)
class DeliveryLine:
    """One thing that was told of a mail: sent, delivered, opened, …"""

    kind: str
    occurred_at: datetime
    is_machine: bool


@dataclass(frozen=True)
class SaidLine:
    """One revision of one answer."""

    survey: str
    score: int
    comment: str
    answered_at: datetime
    revision: int
    is_current: bool
    is_counted: bool


def load_memberships(
    connection: Connection, customer_id: CustomerId
) -> list[tuple[str, datetime | None, datetime | None]]:
    """The segments this customer is in: since when, and when that is looked at again."""
    query = (
        select(memberships.c.segment, memberships.c.since, memberships.c.next_check_at)
        .where(memberships.c.customer_id == customer_id, memberships.c.is_member)
        .order_by(memberships.c.segment)
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def load_trips(connection: Connection, customer_id: CustomerId) -> list[Trip]:
    """Every enrollment of this customer with its decisions, the latest first."""
    made = _load_decisions(connection, customer_id)
    query = (
        select(
            enrollments.c.id, enrollments.c.journey, enrollments.c.key, enrollments.c.is_held_out,
            enrollments.c.started_at, enrollments.c.ended_at, enrollments.c.ended,
            STEP.label("step"), positions.c.due_at,
        )
        .outerjoin(positions, positions.c.enrollment_id == enrollments.c.id)
        .where(enrollments.c.customer_id == customer_id)
        .order_by(enrollments.c.started_at.desc(), enrollments.c.id.desc())
    )  # fmt: skip
    return [
        Trip(**row._mapping, decisions=tuple(made.get(row.id, ())))
        for row in connection.execute(query)
    ]


def stood_at(trips: Iterable[Trip], at: datetime) -> Iterator[Trip]:
    """The enrollments of then, with what was decided by then, and where they stood."""
    for one in trips:
        if one.started_at > at:
            continue
        decided = tuple(line for line in one.decisions if line.decided_at <= at)
        ahead = [line for line in one.decisions if line.decided_at > at]
        then = replace(one, decisions=decided)
        if ahead:  # it stood where its next decision was made
            then = replace(then, step=ahead[0].step, due_at=_foreseen(ahead[0]))
        was_over = one.ended_at is not None and one.ended_at <= at
        yield then if was_over else replace(then, ended=None, ended_at=None)


def _foreseen(line: DecisionLine) -> datetime | None:
    """A wait that time ended knew its end before; whatever else came was not known to come."""
    return line.due_at if line.decision in ("waited", "did not come") else None


def load_mails(
    connection: Connection, customer_id: CustomerId, until: datetime | None = None
) -> list[MailLine]:
    """Every mail to this customer, or those made until then, the latest first."""
    query = MAILS.where(messages.c.customer_id == customer_id).order_by(messages.c.id.desc())
    if until is not None:
        query = query.where(messages.c.queued_at <= until)
    return [MailLine(*row) for row in connection.execute(query)]


def list_mails(
    connection: Connection,
    *,
    status: str = "",
    template: str = "",
    customer_id: CustomerId | None = None,
    before: int | None = None,
    limit_rows: int,
) -> list[MailLine]:
    """Mails of all customers or of one, the latest first, from the one before `before` on."""
    query = MAILS.order_by(messages.c.id.desc()).limit(limit_rows)
    if status:
        query = query.where(messages.c.status == status)
    if template:
        query = query.where(messages.c.template == template)
    if customer_id is not None:
        query = query.where(messages.c.customer_id == customer_id)
    if before is not None:
        query = query.where(messages.c.id < before)
    return [MailLine(*row) for row in connection.execute(query)]


def find_mail(connection: Connection, message_id: MessageId) -> MailLine | None:
    row = connection.execute(MAILS.where(messages.c.id == message_id)).first()
    return MailLine(*row) if row else None


def load_deliveries(connection: Connection, message_id: MessageId) -> list[DeliveryLine]:
    """What became of one mail, in the order in which it was told."""
    query = (
        select(delivery_events.c.kind, delivery_events.c.occurred_at, delivery_events.c.is_machine)
        .where(delivery_events.c.message_id == message_id)
        .order_by(delivery_events.c.id)
    )
    return [DeliveryLine(*row) for row in connection.execute(query)]


def load_said(
    connection: Connection, customer_id: CustomerId, until: datetime | None = None
) -> list[SaidLine]:
    """Every answer of this customer in every revision, or those of until then, the latest first."""
    query: Select[Any] = (
        select(
            answers.c.survey, answers.c.score, answers.c.comment, answers.c.answered_at,
            answers.c.revision, answers.c.is_current, answers.c.is_counted,
        )
        .where(answers.c.customer_id == customer_id)
        .order_by(answers.c.id.desc())
    )  # fmt: skip
    if until is not None:
        query = query.where(answers.c.answered_at <= until)
    return [SaidLine(*row) for row in connection.execute(query)]


MAILS: Select[Any] = select(
    messages.c.id,
    func.coalesce(customers.c.external_id, ""),
    messages.c.template,
    messages.c.topic,
    messages.c.survey,
    messages.c.address,
    messages.c.status,
    messages.c.reason,
    func.coalesce(messages.c.sent_at, messages.c.queued_at, type_=messages.c.queued_at.type),
    messages.c.header_id,
).outerjoin_from(messages, customers, customers.c.id == messages.c.customer_id)


def _load_decisions(
    connection: Connection, customer_id: CustomerId
) -> dict[EnrollmentId, list[DecisionLine]]:
    query = (
        select(
            decisions.c.enrollment_id, decisions.c.step, decisions.c.visit, decisions.c.decision,
            decisions.c.reason, decisions.c.decided_at, decisions.c.due_at,
        )
        .join(enrollments, enrollments.c.id == decisions.c.enrollment_id)
        .where(enrollments.c.customer_id == customer_id)
        .order_by(decisions.c.id)
    )  # fmt: skip
    found: dict[EnrollmentId, list[DecisionLine]] = {}
    for number, *line in connection.execute(query):
        found.setdefault(EnrollmentId(number), []).append(DecisionLine(*line))
    return found
