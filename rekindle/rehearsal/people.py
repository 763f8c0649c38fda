"""Who stands where on the stage before a change and after it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, func, or_, select

from rekindle.addresses import canonical
from rekindle.workspace.library import Library
from segments.compile import Subjects, compile_condition
from segments.conditions.drift import Drift
from segments.definition import walk
from store.customers import load_traits
from store.identities import EMAIL
from store.memberships import load_member_ids
from store.records import NOBODY, CustomerId, DefinitionId, EnrollmentId
from store.session import Store
from store.steps import STEP
from store.tables import customers, enrollments, event_kinds, events, messages, positions
from workers.drift import as_of_now
from workers.mailboxes import gather

HIGHEST_ID = 2**62
Members = Mapping[str, frozenset[int]]


@dataclass(frozen=True)
class Trip:
    """One enrollment as a plan needs it."""

    id: EnrollmentId
    journey: str
    version_id: DefinitionId
    customer_id: CustomerId
    is_held_out: bool
    ended: str | None
    step: str | None  # None once it ended


@dataclass(frozen=True)
class Mail:
    """What became of one message of an enrollment."""

    enrollment_id: EnrollmentId
    status: str
    reason: str
    is_sent: bool


def count_living(connection: Connection) -> int:
    """Customers who are neither erased nor merged away."""
    alive = customers.c.merged_into.is_(None) & customers.c.erased_at.is_(None)
    return connection.scalar(select(func.count()).select_from(customers).where(alive)) or 0


def members_by_rule(
    store: Store, library: Library, names: Collection[str], now: datetime
) -> Members:
    """Everybody in these segments as their rules stand, by evaluation; nothing of it is kept."""
    lexicon = library.lexicon
    look = as_of_now(store, lexicon, now, clocks) if (clocks := _clocks(library, names)) else None
    with look or store.read() as connection:
        found = {}
        for name in names:
            everybody = Subjects.customers_between(1, HIGHEST_ID, now, known_by=now)
            answer = compile_condition(library.segments[name].match, everybody, lexicon).subquery()
            ids = connection.scalars(select(answer.c.id).where(answer.c.holds))
            found[name] = frozenset(ids)
    return found


def _clocks(library: Library, names: Iterable[str]) -> set[str]:
    """The drift clocks that these rules ask, directly or through others."""
    return {
        condition.clock
        for name in names
        for one in library.reaches(name)
        for _, condition in walk(library.segments[one].match)
        if isinstance(condition, Drift)
    }


def stored_members(connection: Connection, names: Iterable[str]) -> Members:
    """Everybody whom the engine keeps as a member."""
    return {name: frozenset(load_member_ids(connection, name)) for name in names}


def load_active(connection: Connection) -> dict[EnrollmentId, Trip]:
    """Every enrollment under way."""
    return _load_trips(connection, enrollments.c.ended_at.is_(None))


def load_earlier(connection: Connection, last: int, since: datetime) -> dict[EnrollmentId, Trip]:
    """Enrollments up to the id `last` that are under way or ended at `since` or later."""
    is_near = or_(enrollments.c.ended_at.is_(None), enrollments.c.ended_at >= since)
    return _load_trips(connection, enrollments.c.id <= last, is_near)


def load_started_after(connection: Connection, last: int) -> dict[EnrollmentId, Trip]:
    """Enrollments that began later than the one with the id `last`."""
    return _load_trips(connection, enrollments.c.id > last)


def _load_trips(connection: Connection, *which: ColumnElement[bool]) -> dict[EnrollmentId, Trip]:
    query = (
        select(
            enrollments.c.id, enrollments.c.journey, enrollments.c.version_id,
            enrollments.c.customer_id, enrollments.c.is_held_out, enrollments.c.ended,
            STEP.label("step"),
        )
        .outerjoin(positions, positions.c.enrollment_id == enrollments.c.id)
        .where(*which)
    )  # fmt: skip
    return {EnrollmentId(row.id): Trip(*row) for row in connection.execute(query)}


def last_id(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.max(table.c.id))) or 0


@dataclass(frozen=True)
class Sent:
    """One email to a customer that left, and of which journey and enrollment; 0 for none."""

    journey: str
    enrollment_id: EnrollmentId


def load_sent(connection: Connection, since: datetime) -> dict[int, Sent]:
    """By its id every message to a customer that the provider took from `since` on."""
    query = (
        select(
            messages.c.id,
            func.coalesce(enrollments.c.journey, ""),
            func.coalesce(messages.c.enrollment_id, 0),
        )
        .outerjoin(enrollments, enrollments.c.id == messages.c.enrollment_id)
        .where(messages.c.sent_at >= since, messages.c.customer_id != NOBODY)
    )
    return {row[0]: Sent(row[1], EnrollmentId(row[2])) for row in connection.execute(query)}


def load_mails_after(connection: Connection, last: int) -> dict[EnrollmentId, list[Mail]]:
    """Every message of the enrollments that began after the one with the id `last`."""
    query = (
        select(
            messages.c.enrollment_id, messages.c.status, messages.c.reason,
            messages.c.sent_at.is_not(None),
        )
        .where(messages.c.enrollment_id > last)
        .order_by(messages.c.id)
    )  # fmt: skip
    found: dict[EnrollmentId, list[Mail]] = {}
    for row in connection.execute(query):
        found.setdefault(EnrollmentId(row[0]), []).append(Mail(*row))
    return found


def load_mailboxes(
    connection: Connection, ids: Collection[int], now: datetime
) -> dict[CustomerId, str]:
    """The mailbox of each of these customers who has one."""
    traits = gather(
        lambda some: load_traits(connection, some, now, names=(EMAIL,)), map(CustomerId, ids)
    )
    found = {id_: canonical(said.get(EMAIL)) for id_, said in traits.items()}
    return {id_: mailbox for id_, mailbox in found.items() if mailbox}


def load_told(connection: Connection, last_event: int) -> list[tuple[str, str, str, int]]:
    """(name, segment, cause, customer) of each change of a segment told after that event."""
    query = (
        select(event_kinds.c.name, events.c.properties, events.c.customer_id)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .where(
            events.c.id > last_event,
            event_kinds.c.name.in_(("segment.entered", "segment.left")),
        )
    )
    return [
        (name, said["segment"], said["cause"], id_) for name, said, id_ in connection.execute(query)
    ]
