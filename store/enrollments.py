"""Enrollments: started once, moved by decisions, woken by events. All in sets."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    not_,
    select,
    update,
)

from store.permission_changes import note_permission_change
from store.records import CustomerId, DefinitionId, Enrollment, EnrollmentId, EventId, Said, make
from store.sets import change_rows, fetch_rows, insert_rows
from store.steps import STEP, intern_steps, name_steps
from store.tables import (
    customers,
    decisions,
    enrollments,
    events,
    instant_of,
    microseconds,
    positions,
)
from store.upserts import insert_or_skip_returning


class Stored(dict[datetime | None, int | None]):
    """Instants as they are stored, each worked out once: in a batch many are the same."""

    def __missing__(self, instant: datetime | None) -> int | None:
        found = None if instant is None else microseconds(instant)
        self[instant] = found
        return found


@dataclass(frozen=True)
class NewEnrollment:
    """An enrollment about to start; what `occurrence` names starts it at most once."""

    journey: str
    version_id: DefinitionId
    customer_id: CustomerId
    key: str
    occurrence: str
    event_id: EventId | None
    cause: str
    is_held_out: bool
    first_step: str
    arrived_at: datetime  # at the first step: when what started it came

    @property
    def what(self) -> tuple[str, CustomerId, str, str]:
        """What makes it one and the same start."""
        return self.journey, self.customer_id, self.key, self.occurrence


@dataclass(frozen=True)
class Starts:
    """What is known of one customer's earlier enrollments under one key."""

    last_started_at: datetime
    is_active: bool
    lately: int = 0  # of them since the instant asked for


OWN = (
    enrollments.c.id,
    enrollments.c.journey,
    enrollments.c.version_id,
    enrollments.c.customer_id,
    enrollments.c.key,
    enrollments.c.event_id,
    enrollments.c.is_held_out,
    enrollments.c.started_at,
)
PLACE = (positions.c.visit, positions.c.arrived_at)
IS_ITS = positions.c.enrollment_id == enrollments.c.id
STANDING = select(*OWN, STEP.label("step"), *PLACE).join_from(positions, enrollments, IS_ITS)

IDS: BindParameter[Any] = bindparam("ids", expanding=True)
# statements are made once: making one costs more than running it
DUE = (
    select(*OWN, positions.c.step_id, *PLACE)
    .join_from(positions, enrollments, IS_ITS)
    .where(positions.c.due_at <= bindparam("now"))
    .order_by(positions.c.due_at, positions.c.enrollment_id)
    .limit(bindparam("limit_rows"))
    .with_for_update(skip_locked=True, of=positions)
)
STARTED_AT, STEP_ID, ARRIVED_AT = 7, 8, 10  # their places in a row of those
DUE_OF = DUE.where(positions.c.enrollment_id.in_(IDS))
WAKE_CUSTOMERS = (
    update(positions)
    .where(
        positions.c.enrollment_id.in_(
            select(enrollments.c.id).where(
                enrollments.c.customer_id.in_(IDS), enrollments.c.ended_at.is_(None)
            )
        )
    )
    .values(due_at=bindparam("now"), enqueued_until=None)
)
WAKE = (
    update(positions)
    .where(positions.c.enrollment_id.in_(IDS))
    .values(due_at=bindparam("now"), enqueued_until=None)
)
EARLIER = (
    select(
        enrollments.c.customer_id,
        enrollments.c.key,
        func.max(enrollments.c.started_at, type_=enrollments.c.started_at.type).label("last"),
        func.count(enrollments.c.id).filter(enrollments.c.ended_at.is_(None)).label("active"),
        func.count(enrollments.c.id)
        .filter(enrollments.c.started_at > bindparam("since"))  # a column
        .label("lately"),
    )
    .where(enrollments.c.journey == bindparam("journey"), enrollments.c.customer_id.in_(IDS))
    .group_by(enrollments.c.customer_id, enrollments.c.key)
)
STAND = insert(positions)
MOVED = (
    positions.c.step_id,
    positions.c.visit,
    positions.c.arrived_at,
    positions.c.due_at,
    positions.c.enrollment_id,
)
ENDED = (enrollments.c.ended, enrollments.c.ended_at, enrollments.c.id)
DECIDED = (
    decisions.c.enrollment_id,
    decisions.c.step,
    decisions.c.visit,
    decisions.c.decision,
    decisions.c.reason,
    decisions.c.due_at,
    decisions.c.decided_at,
)


def claim_due(
    tx: Connection, now: datetime, limit_rows: int, ids: Sequence[int] | None = None
) -> list[Enrollment]:
    """Enrollments due at `now`, locked for this transaction; another worker's are passed over."""
    query, asked = (DUE, {}) if ids is None else (DUE_OF, {"ids": ids})
    rows = fetch_rows(tx, query, {"now": now, "limit_rows": limit_rows, **asked})
    steps = name_steps(tx, (row[STEP_ID] for row in rows))
    started, arrived = {row[STARTED_AT] for row in rows}, {row[ARRIVED_AT] for row in rows}
    instants = {at: instant_of(at) for at in started | arrived}  # many started together
    return [
        make(Enrollment, (
            id_, journey, version_id, customer_id, key, event_id, is_held_out == 1,
            instants[started_at], steps[step_id], visit, instants[arrived_at], None,
        ))
        for id_, journey, version_id, customer_id, key, event_id, is_held_out, started_at,
            step_id, visit, arrived_at in rows
    ]  # fmt: skip


def find_due(
    tx: Connection, now: datetime, wall: datetime, until: datetime, limit_rows: int
) -> list[int]:
    """Ids of due enrollments that no broker holds, marked as handed to one until `until` (wall
    time).
    """
    column = positions.c.enqueued_until
    held = and_(column > wall, column <= until)  # later is what a wrong clock wrote
    free = column.is_(None) | not_(held)
    query = (
        select(positions.c.enrollment_id)
        .where(positions.c.due_at <= now, free)
        .order_by(positions.c.due_at)
        .limit(limit_rows)
        .with_for_update(skip_locked=True)
    )
    ids = [row.enrollment_id for row in tx.execute(query)]
    if ids:
        tx.execute(
            update(positions).where(positions.c.enrollment_id.in_(ids)).values(enqueued_until=until)
        )
    return ids


def earlier_starts(
    tx: Connection,
    journey: str,
    customer_ids: Iterable[CustomerId],
    *,
    since: datetime,
    ignoring: Collection[DefinitionId] = (),
) -> Mapping[tuple[CustomerId, str], Starts]:
    """For each (customer, key) ever enrolled in `journey`: when last, whether still, and how often
    since then; those on the versions `ignoring` aside, unless they still are.
    """
    asked = {"journey": journey, "ids": list(customer_ids), "since": since}
    query = EARLIER
    if ignoring:
        own = enrollments.c
        query = query.where(own.version_id.not_in(list(ignoring)) | own.ended_at.is_(None))
    return {
        (row.customer_id, row.key): Starts(row.last, row.active > 0, row.lately)
        for row in tx.execute(query, asked)
    }


def find_started(
    connection: Connection, journey: str, customer_id: CustomerId, occurrence: str
) -> EnrollmentId | None:
    """The enrollment that this occurrence started, if it did."""
    query = select(enrollments.c.id).where(
        enrollments.c.journey == journey,
        enrollments.c.customer_id == customer_id,
        enrollments.c.occurrence == occurrence,
    )
    found = connection.execute(query).scalar()
    return None if found is None else EnrollmentId(found)


def start_enrollments(
    tx: Connection, starting: Sequence[NewEnrollment], now: datetime
) -> list[tuple[EnrollmentId, NewEnrollment]]:
    """Begin those that nothing forbids: one active per (journey, customer, key), one per
    occurrence.
    """
    if not starting:
        return []
    table = enrollments.c
    returned = (table.id, table.journey, table.customer_id, table.key, table.occurrence)
    statement = insert_or_skip_returning(tx, enrollments, *returned)
    rows = tx.execute(statement, [_as_row(new, now) for new in starting])
    ids = {tuple(what): EnrollmentId(id_) for id_, *what in rows}
    begun = [(ids[new.what], new) for new in starting if new.what in ids]
    _stand_at_first_step(tx, begun, now)
    return begun


def _as_row(new: NewEnrollment, now: datetime) -> dict[str, Any]:
    return {
        "journey": new.journey,
        "version_id": new.version_id,
        "customer_id": new.customer_id,
        "key": new.key,
        "occurrence": new.occurrence,
        "event_id": new.event_id,
        "cause": new.cause,
        "is_held_out": new.is_held_out,
        "started_at": now,
    }


def _stand_at_first_step(
    tx: Connection, begun: Sequence[tuple[EnrollmentId, NewEnrollment]], now: datetime
) -> None:
    if not begun:
        return
    steps = intern_steps(tx, (new.first_step for _, new in begun))
    tx.execute(
        STAND,
        [
            {
                "enrollment_id": id_,
                "step_id": steps[new.first_step],
                "visit": 1,
                "arrived_at": new.arrived_at,
                "due_at": now,
                "enqueued_until": None,
            }
            for id_, new in begun
        ],
    )


def wake_customers(tx: Connection, customer_ids: Sequence[CustomerId], now: datetime) -> None:
    """Something happened to these customers: each of their enrollments is looked at."""
    tx.execute(WAKE_CUSTOMERS, {"ids": customer_ids, "now": now})


def wake_enrollments(tx: Connection, ids: Sequence[EnrollmentId], now: datetime) -> None:
    """What these enrollments waited for has come."""
    if ids:
        tx.execute(WAKE, {"ids": ids, "now": now})


def move_enrollments(tx: Connection, moved: Sequence[tuple[Enrollment, datetime | None]]) -> None:
    """Write where each enrollment stands and when it is next looked at (None: when something
    happens).
    """
    steps = intern_steps(tx, (one.step for one, _ in moved))
    stored = Stored()
    rows = [
        (steps[one.step], one.visit, stored[one.arrived_at], stored[due_at], one.id)
        for one, due_at in moved
    ]
    change_rows(tx, MOVED, rows, cleared=(positions.c.enqueued_until,))


def load_standing(
    connection: Connection, ids: Collection[EnrollmentId]
) -> dict[EnrollmentId, Enrollment]:
    """Where those of the enrollments stand that are not over."""
    query: Select[Any] = STANDING.where(positions.c.enrollment_id.in_(list(ids)))
    found = [Enrollment(*row) for row in connection.execute(query)]
    return {one.id: one for one in found}


def end_enrollments(tx: Connection, ended: Sequence[Enrollment], now: datetime) -> None:
    """Close these enrollments with the reason each bears, and take them out of the due index."""
    if not ended:
        return
    tx.execute(delete(positions).where(positions.c.enrollment_id.in_([one.id for one in ended])))
    at = microseconds(now)
    change_rows(tx, ENDED, [(one.ended, at, one.id) for one in ended])
    left = (one.customer_id for one in ended if one.ended != "finished")
    note_permission_change(tx, left)  # its last mail may still be on its way


@dataclass(frozen=True)
class Place:
    """What others are told of an enrollment: whose it is, and what started it."""

    journey: str
    key: str
    customer_id: CustomerId
    external_id: str  # empty for one who was erased
    event: Mapping[str, Any]  # the properties of what started it


def find_place(connection: Connection, id_: EnrollmentId) -> Place:
    """Raises NoResultFound if there is no such enrollment: a programmer's mistake."""
    row = connection.execute(
        select(
            enrollments.c.journey,
            enrollments.c.key,
            enrollments.c.customer_id,
            customers.c.external_id,
            events.c.properties,
        )
        .outerjoin(customers, customers.c.id == enrollments.c.customer_id)
        .outerjoin(events, events.c.id == enrollments.c.event_id)
        .where(enrollments.c.id == id_)
    ).one()
    return Place(
        row.journey,
        row.key,
        CustomerId(row.customer_id),
        row.external_id or "",
        row.properties or {},
    )


def end_lost(tx: Connection, id_: EnrollmentId, now: datetime) -> None:
    """Close an enrollment that stands nowhere."""
    over = update(enrollments).where(enrollments.c.id == id_)
    tx.execute(over.values(ended="failed", ended_at=now))
    note_permission_change(tx)


def find_customer_of(connection: Connection, id_: EnrollmentId) -> CustomerId:
    """Whose enrollment it is."""
    query = select(enrollments.c.customer_id).where(enrollments.c.id == id_)
    return CustomerId(connection.execute(query).scalar_one())


def save_decisions(
    tx: Connection, said: Sequence[tuple[EnrollmentId, Said]], now: datetime
) -> None:
    """Keep what was decided at `now` about each enrollment."""
    at, stored = microseconds(now), Stored()
    rows = [
        (id_, step, visit, decision, reason, stored[due_at], at)
        for id_, (step, visit, decision, reason, due_at) in said
    ]
    insert_rows(tx, DECIDED, rows)


def next_due_at(connection: Connection) -> datetime | None:
    """The earliest instant at which any enrollment is due."""
    return connection.execute(
        select(positions.c.due_at)
        .where(positions.c.due_at.is_not(None))
        .order_by(positions.c.due_at)
        .limit(1)
    ).scalar()
