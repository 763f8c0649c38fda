"""What our own people are asked before a journey goes on, and what they answered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, select, tuple_, update

from store.enrollments import wake_enrollments
from store.records import CustomerId, DefinitionId, Enrollment, EnrollmentId
from store.steps import STEP
from store.tables import approvals, customers, enrollments, positions
from store.upserts import insert_or_skip


@dataclass(frozen=True)
class Asking:
    """A question about one enrollment's step, open until then."""

    enrollment: Enrollment
    people: str
    message: str
    until: datetime


@dataclass(frozen=True)
class OpenApproval:
    """A question that nobody has answered, about somebody who still stands at its step."""

    id: int
    journey: str
    version_id: DefinitionId
    step: str
    customer_id: CustomerId
    customer: str  # the external id
    people: str
    message: str
    asked_at: datetime
    until: datetime


@dataclass(frozen=True)
class WaitingStep:
    """A step with open questions: how many, and the newest of them."""

    journey: str
    step: str
    count: int
    newest: int


@dataclass(frozen=True)
class StoredApproval:
    """How far one question has come; `is_granted` is None without an answer."""

    is_granted: bool | None
    answered_by: str
    answered_at: datetime | None


def ask_approvals(tx: Connection, asked: Sequence[Asking], now: datetime) -> None:
    """Ask once per enrollment, step and visit."""
    if asked:
        tx.execute(
            insert_or_skip(tx, approvals),
            [
                {
                    "enrollment_id": one.enrollment.id,
                    "step": one.enrollment.step,
                    "visit": one.enrollment.visit,
                    "people": one.people,
                    "message": one.message,
                    "asked_at": now,
                    "until": one.until,
                    "answered_by": "",
                }
                for one in asked
            ],
        )


def approvals_at(
    tx: Connection, standing: Sequence[Enrollment]
) -> Mapping[EnrollmentId, StoredApproval]:
    """The question of each enrollment's step and visit, where one was asked."""
    table = approvals.c
    places = [(one.id, one.step, one.visit) for one in standing]
    query = select(
        table.enrollment_id, table.is_granted, table.answered_by, table.answered_at
    ).where(tuple_(table.enrollment_id, table.step, table.visit).in_(places))
    return {row[0]: StoredApproval(*row[1:]) for row in tx.execute(query)}


def find_approved(tx: Connection, ids: Collection[EnrollmentId]) -> set[EnrollmentId]:
    """Those of the enrollments for which somebody said yes at some step."""
    query = select(approvals.c.enrollment_id).where(
        approvals.c.enrollment_id.in_(list(ids)), approvals.c.is_granted.is_(True)
    )
    return {EnrollmentId(row.enrollment_id) for row in tx.execute(query)}


def list_open_approvals(
    connection: Connection,
    journey: str | None = None,
    *,
    now: datetime,
    after: int = 0,
    limit_rows: int = 1_000,
) -> list[OpenApproval]:
    """What can be answered at `now`, oldest first from the number `after` on, of one journey or
    of all.
    """
    query: Select[Any] = (
        select(
            approvals.c.id,
            enrollments.c.journey,
            enrollments.c.version_id,
            approvals.c.step,
            enrollments.c.customer_id,
            func.coalesce(customers.c.external_id, ""),
            approvals.c.people,
            approvals.c.message,
            approvals.c.asked_at,
            approvals.c.until,
        )
        .join(enrollments, enrollments.c.id == approvals.c.enrollment_id)
        .join(customers, customers.c.id == enrollments.c.customer_id)
        .where(_is_open(now), approvals.c.id > after)
        .order_by(approvals.c.id)
        .limit(limit_rows)
    )
    if journey is not None:
        query = query.where(enrollments.c.journey == journey)
    return [OpenApproval(*row) for row in connection.execute(query)]


def list_waiting_steps(connection: Connection, now: datetime) -> list[WaitingStep]:
    """Every step that somebody waits at for an answer, by journey and step."""
    place = (enrollments.c.journey, approvals.c.step)
    query = (
        select(*place, func.count(), func.max(approvals.c.id))
        .join(enrollments, enrollments.c.id == approvals.c.enrollment_id)
        .where(_is_open(now))
        .group_by(*place)
        .order_by(*place)
    )
    return [WaitingStep(*row) for row in connection.execute(query)]


def find_open_of_step(
    connection: Connection, journey: str, step: str, newest: int, now: datetime, limit_rows: int
) -> list[int]:
    """The open questions of a step, up to and with the one numbered `newest`."""
    query = (
        select(approvals.c.id)
        .join(enrollments, enrollments.c.id == approvals.c.enrollment_id)
        .where(enrollments.c.journey == journey, approvals.c.step == step)
        .where(_is_open(now), approvals.c.id <= newest)
        .limit(limit_rows)
    )
    return list(connection.scalars(query))


def answer_approvals(
    tx: Connection, ids: Collection[int], *, is_granted: bool, by: str, now: datetime
) -> list[EnrollmentId]:
    """Answer what is open in time among `ids` and wake whom it concerns; these enrollments."""
    rows = tx.execute(
        update(approvals)
        .where(approvals.c.id.in_(list(ids)), _is_open(now))
        .values(is_granted=is_granted, answered_by=by, answered_at=now)
        .returning(approvals.c.enrollment_id)
    )
    answered = [EnrollmentId(row.enrollment_id) for row in rows]
    wake_enrollments(tx, answered, now)
    return answered


def _is_open(now: datetime) -> ColumnElement[bool]:
    """Unanswered, in time, and whom it is about has neither left nor been moved elsewhere."""
    stands_there = exists().where(
        positions.c.enrollment_id == approvals.c.enrollment_id,
        approvals.c.step == STEP,
        positions.c.visit == approvals.c.visit,
    )
    return and_(approvals.c.answered_at.is_(None), approvals.c.until > now, stands_there)
