"""Everybody inside one journey: where they stand, and bringing them to another version."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select, true, tuple_, update

from store.enrollments import STANDING
from store.records import CustomerId, DefinitionId, Enrollment, EnrollmentId
from store.steps import STEP, intern_steps
from store.tables import approvals, enrollments, messages, positions

# what a step has done and waits for; what was cancelled is no more than a name that is taken
BEGUN = ((messages, messages.c.status != "cancelled"), (approvals, true()))


def find_inside(
    tx: Connection,
    journey: str,
    other_than: DefinitionId | None,
    cursor: int,
    limit_rows: int,
    *,
    customer_id: CustomerId | None = None,
    key: str | None = None,
) -> list[Enrollment]:
    """Active enrollments of a journey with ids after `cursor`, in order, locked: of one customer
    and key where they are given, and on other versions than that one.
    """
    own = enrollments.c
    query = STANDING.where(own.journey == journey, own.ended_at.is_(None), own.id > cursor)
    if other_than is not None:
        query = query.where(own.version_id != other_than)
    if customer_id is not None:
        query = query.where(own.customer_id == customer_id)
    if key is not None:
        query = query.where(own.key == key)
    locked: Select[Any] = query.order_by(own.id).limit(limit_rows).with_for_update(of=positions)
    return [Enrollment(*row) for row in tx.execute(locked)]


def count_held_steps(connection: Connection, journey: str) -> dict[str, int]:
    """How many stand at each step of a journey, on whatever version."""
    query = (
        select(STEP.label("step"), func.count().label("number"))
        .select_from(positions)
        .join(enrollments, enrollments.c.id == positions.c.enrollment_id)
        .where(enrollments.c.journey == journey, enrollments.c.ended_at.is_(None))
        .group_by(positions.c.step_id)
    )
    return {row.step: row.number for row in connection.execute(query)}


def next_visits(
    tx: Connection, places: Collection[tuple[EnrollmentId, str]]
) -> dict[EnrollmentId, int]:
    """Which time it would be that each stands at that step, where something was done at it."""
    found: dict[EnrollmentId, int] = {}
    for table, _ in BEGUN if places else ():
        place = tuple_(table.c.enrollment_id, table.c.step)
        query = (
            select(table.c.enrollment_id, func.max(table.c.visit))
            .where(place.in_(list(places)))
            .group_by(table.c.enrollment_id)
        )
        for id_, visit in tx.execute(query):
            found[id_] = max(found.get(id_, 1), visit + 1)
    return found


def change_versions(
    tx: Connection, moved: Sequence[Enrollment], version_id: DefinitionId, now: datetime
) -> None:
    """Put these at their steps of another version, to be looked at now."""
    if not moved:
        return
    ids = [one.id for one in moved]
    steps = intern_steps(tx, (one.step for one in moved))
    tx.execute(update(enrollments).where(enrollments.c.id.in_(ids)).values(version_id=version_id))
    tx.execute(
        update(positions)
        .where(positions.c.enrollment_id == bindparam("id_"))
        .values(
            step_id=bindparam("step_"), visit=bindparam("visit_"), due_at=now, enqueued_until=None
        ),
        [{"id_": one.id, "step_": steps[one.step], "visit_": one.visit} for one in moved],
    )


def carry_over(tx: Connection, moved: Sequence[tuple[Enrollment, Enrollment]]) -> None:
    """What was begun where the first of each stood counts where the second stands."""
    rows = [
        {"id_": before.id, "step_": before.step, "visit_": before.visit,
         "to_step_": after.step, "to_visit_": after.visit}
        for before, after in moved
    ]  # fmt: skip
    for table, counts in BEGUN if rows else ():
        it_is = (
            counts,
            table.c.enrollment_id == bindparam("id_"),
            table.c.step == bindparam("step_"),
            table.c.visit == bindparam("visit_"),
        )
        there = update(table).where(*it_is)
        tx.execute(there.values(step=bindparam("to_step_"), visit=bindparam("to_visit_")), rows)


def wake_journey(tx: Connection, journey: str, now: datetime) -> None:
    """Everybody inside is looked at."""
    theirs = select(enrollments.c.id).where(
        enrollments.c.journey == journey, enrollments.c.ended_at.is_(None)
    )
    tx.execute(
        update(positions)
        .where(positions.c.enrollment_id.in_(theirs))
        .values(due_at=now, enqueued_until=None)
    )
