"""What permission asks of messages beyond their own rows: their journeys, rivals and fates."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from store.messages import TAKEN
from store.records import CustomerId, DefinitionId, EnrollmentId, MessageId
from store.tables import (
    customers,
    delivery_events,
    enrollments,
    event_kinds,
    events,
    messages,
)

IDS: BindParameter[list[int]] = bindparam("ids", expanding=True)
SOURCES = select(
    enrollments.c.id, enrollments.c.journey, enrollments.c.version_id, enrollments.c.ended
).where(enrollments.c.id.in_(IDS))
CONTESTED = ("over the cap%", "gives way%")  # why a mail is held that wants the same room
RIVALS = select(
    messages.c.id,
    messages.c.customer_id,
    messages.c.topic,
    messages.c.priority,
    messages.c.queued_at,
).where(
    messages.c.customer_id.in_(IDS),
    messages.c.status.in_(("queued", "held")),
    messages.c.claimed_by.is_(None),
    or_(
        messages.c.due_at <= bindparam("now"),
        *(messages.c.reason.like(why) for why in CONTESTED),
    ),
)
LATEST_MAILS = 10_000  # of all journeys, that tell how those of late fared
WENT = ("sent", "delivered", "bounced", "complained")


COPIES = (
    select(
        messages.c.id,
        messages.c.customer_id,
        messages.c.template,
        messages.c.visit,
        messages.c.status.in_(TAKEN).label("has_left"),
        messages.c.claimed_by.is_not(None).label("is_claimed"),
        messages.c.address,
        messages.c.priority,
        enrollments.c.id.label("enrollment_id"),
        enrollments.c.journey,
        enrollments.c.key,
        enrollments.c.started_at,
        enrollments.c.ended_at,
    )
    .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
    .where(
        messages.c.customer_id.in_(IDS),
        messages.c.template.in_(bindparam("templates", expanding=True)),
        messages.c.status.in_((*TAKEN, "queued", "held")),
    )
)


class Copy(NamedTuple):
    """An email of an enrollment that has left or may, as others at its mailbox may get it too."""

    id: MessageId
    customer_id: CustomerId
    template: str
    visit: int
    has_left: bool
    is_claimed: bool
    address: str  # empty until it is claimed
    priority: int
    enrollment_id: EnrollmentId
    journey: str
    key: str
    started_at: datetime
    ended_at: datetime | None

    @property
    def email(self) -> tuple[str, str, str, int]:
        """What is the same email to whoever gets it."""
        return self.journey, self.key, self.template, self.visit

    @property
    def rank(self) -> tuple[int, EnrollmentId]:
        """The lowest gets it: the higher priority, then whoever was enrolled first."""
        return -self.priority, self.enrollment_id


@dataclass(frozen=True)
class Source:
    """The enrollment that a message comes from; `ended` says how it was left, finishing aside."""

    journey: str
    version_id: DefinitionId
    ended: str | None


@dataclass(frozen=True)
class Rival:
    """A mail of the same customer that wants the same room in the budget."""

    id: MessageId
    topic: str
    priority: int
    queued_at: datetime

    @property
    def rank(self) -> tuple[int, datetime, int]:
        """The lowest goes first: the higher priority, then whoever came first."""
        return -self.priority, self.queued_at, self.id


def load_sources(tx: Connection, ids: Iterable[EnrollmentId]) -> dict[EnrollmentId, Source]:
    """Where messages come from."""
    return {
        EnrollmentId(row.id): Source(
            row.journey, row.version_id, None if row.ended == "finished" else row.ended
        )
        for row in tx.execute(SOURCES, {"ids": list(ids)})
    }


def load_rivals(
    tx: Connection, ids: Sequence[CustomerId], now: datetime
) -> dict[CustomerId, list[Rival]]:
    """For each customer the mails that want to leave now, their own ones among them."""
    found: dict[CustomerId, list[Rival]] = {}
    for id_, customer_id, *rest in tx.execute(RIVALS, {"ids": list(ids), "now": now}):
        found.setdefault(customer_id, []).append(Rival(id_, *rest))
    return found


def load_copies(
    tx: Connection, ids: Sequence[CustomerId], templates: Collection[str]
) -> dict[CustomerId, list[Copy]]:
    """Return the emails of these templates that these customers were sent or may be."""
    found: dict[CustomerId, list[Copy]] = {}
    for row in tx.execute(COPIES, {"ids": list(ids), "templates": sorted(templates)}):
        copy = Copy(*row)
        found.setdefault(copy.customer_id, []).append(copy)
    return found


def lock_customers(tx: Connection, ids: Collection[CustomerId]) -> set[CustomerId]:
    """Those whose mails nobody else claims meanwhile: two claims at once would share a budget."""
    query = select(customers.c.id).where(customers.c.id.in_(sorted(ids))).order_by(customers.c.id)
    locked = query.with_for_update(skip_locked=True, key_share=True)
    return {CustomerId(row.id) for row in tx.execute(locked)}


def free_held(tx: Connection, journey: str, reason: str, now: datetime) -> None:
    """Ask again now for a journey's mails that were held for this reason."""
    theirs = select(enrollments.c.id).where(enrollments.c.journey == journey)
    tx.execute(
        update(messages)
        .where(
            messages.c.status == "held",
            messages.c.reason == reason,
            messages.c.enrollment_id.in_(theirs),
        )
        .values(due_at=now, enqueued_until=None)
    )


@dataclass(frozen=True)
class Fates:
    """What became of mails that a provider took."""

    went: int
    bounced: int  # hard or soft
    bounced_hard: int
    complained: int

    @property
    def delivered(self) -> int:
        """As far as anybody told us."""
        return self.went - self.bounced


def count_fates(tx: Connection, journey: str | None, since: datetime) -> Fates:
    """Of those taken after `since`: a journey's, or the latest of all journeys."""
    query = (
        select(messages.c.id, messages.c.status)
        .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
        .where(messages.c.sent_at > since, messages.c.status.in_(WENT))
    )
    if journey is None:  # newest first: a table of millions is not read for it
        query = query.order_by(messages.c.id.desc()).limit(LATEST_MAILS)
    else:
        query = query.where(enrollments.c.journey == journey)
    went = query.subquery()
    is_bounced = went.c.status == "bounced"
    told = select(delivery_events.c.id).where(
        delivery_events.c.message_id == went.c.id, delivery_events.c.kind == "bounced"
    )
    is_hard = exists(told.where(delivery_events.c.details["hard"].as_boolean())) | ~exists(told)
    counts = select(
        func.count(),
        func.count().filter(is_bounced),
        func.count().filter(and_(is_bounced, is_hard)),
        func.count().filter(went.c.status == "complained"),
    ).select_from(went)
    return Fates(*tx.execute(counts).one())


def journeys_of(tx: Connection, ids: Collection[MessageId]) -> set[str]:
    """The journeys that these messages come from."""
    query = (
        select(enrollments.c.journey)
        .join(messages, messages.c.enrollment_id == enrollments.c.id)
        .where(messages.c.id.in_(list(ids)))
    )
    return {row.journey for row in tx.execute(query)}


def count_open_tickets(
    tx: Connection, opens: Collection[str], closes: Collection[str], at: datetime
) -> int:
    """Tickets whose last event of either kind opens them, over all customers."""
    return tx.scalar(_open_tickets(tuple(opens), tuple(closes)), {"at": at}) or 0


def find_relief(
    tx: Connection, opens: Collection[str], closes: Collection[str], bound: int, at: datetime
) -> datetime | None:
    """When the open tickets came down to `bound` at the latest; None if they always were.

    Going back, each ticket that was closed was open before; those opened since are left aside.
    """
    tickets = _tickets(tuple(opens), tuple(closes)).subquery()
    closed = select(tickets.c.told).where(tickets.c.closed >= tickets.c.opened)
    spare = bound - count_open_tickets(tx, opens, closes, at)
    found = closed.order_by(tickets.c.told.desc()).offset(max(spare, 0)).limit(1)
    relieved_at: datetime | None = tx.scalar(found, {"at": at})
    return relieved_at


@cache
def _open_tickets(opens: tuple[str, ...], closes: tuple[str, ...]) -> Select[int]:
    """Made once: it is asked before every mail."""
    tickets = _tickets(opens, closes).subquery()
    is_open = or_(tickets.c.closed.is_(None), tickets.c.closed < tickets.c.opened)
    return select(func.count()).select_from(tickets).where(is_open)


@cache
def _tickets(opens: tuple[str, ...], closes: tuple[str, ...]) -> Select[Any]:
    """Every ticket that was ever opened: when at last, when closed at last and since when known."""
    at = bindparam("at", type_=events.c.occurred_at.type)
    ticket = events.c.properties["ticket_id"].as_string()
    when = events.c.occurred_at
    is_close = event_kinds.c.name.in_(closes)
    opened = func.max(case((event_kinds.c.name.in_(opens), when)))
    return (
        select(
            opened.label("opened"),
            func.max(case((is_close, when))).label("closed"),
            func.max(case((is_close, events.c.known_at)), type_=when.type).label("told"),
        )
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .where(
            event_kinds.c.name.in_([*opens, *closes]),
            or_(when <= at, when <= events.c.known_at),  # all that is committed
            ticket.is_not(None),
        )
        .group_by(ticket)
        .having(opened.is_not(None))
    )
