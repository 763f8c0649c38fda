"""What our own people are asked before a journey goes on, and what they answered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, select, tuple_, update

from store.enrollments import wake_enrollments
from store.records import CustomerId, Enrollment, EnrollmentId
from store.tables import approvals, enrollments
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
    """A question that nobody has answered."""

    id: int
    journey: str
    step: str
    customer_id: CustomerId
    people: str
    message: str
    asked_at: datetime
    until: datetime


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
    connection: Connection, journey: str | None = None, limit_rows: int = 1_000
) -> list[OpenApproval]:
    """What waits for an answer, oldest first, of one journey or of all."""
    query = (
        select(
            approvals.c.id,
            enrollments.c.journey,
            approvals.c.step,
            enrollments.c.customer_id,
            approvals.c.people,
            approvals.c.message,
            approvals.c.asked_at,
            approvals.c.until,
        )
        .join(enrollments, enrollments.c.id == approvals.c.enrollment_id)
        .where(approvals.c.answered_at.is_(None), enrollments.c.ended_at.is_(None))
        .order_by(approvals.c.asked_at, approvals.c.id)
        .limit(limit_rows)
    )
    if journey is not None:
        query = query.where(enrollments.c.journey == journey)
    return [OpenApproval(*row) for row in connection.execute(query)]


def answer_approvals(
    tx: Connection, ids: Collection[int], *, is_granted: bool, by: str, now: datetime
) -> int:
    """Answer what is open in time among `ids` and wake whom it concerns; how many were answered."""
    rows = tx.execute(
        update(approvals)
        .where(
            and_(approvals.c.id.in_(list(ids)), approvals.c.answered_at.is_(None)),
            approvals.c.until > now,
        )
        .values(is_granted=is_granted, answered_by=by, answered_at=now)
        .returning(approvals.c.enrollment_id)
    )
    answered = [EnrollmentId(row.enrollment_id) for row in rows]
    wake_enrollments(tx, answered, now)
    return len(answered)
