"""Events without a customer: how many, why, of whom; and dropping them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    case,
    delete,
    distinct,
    func,
    or_,
    select,
    true,
)

from rekindle.counting import counted
from store.identities import ADDRESSES, ANONYMOUS, load_owners
from store.parking import SAID, why_parked
from store.records import NOBODY, EventId, Identity
from store.tables import event_kinds, events, identities, parked_events
from store.waits import Waits

NOUNS: Mapping[Waits, tuple[str, str]] = {
    Waits.SHARED_ADDRESS: ("address", "addresses"),
    Waits.UNKNOWN_ADDRESS: ("address", "addresses"),
    Waits.UNKNOWN_ID: ("id", "ids"),
    Waits.ANONYMOUS: ("visitor", "visitors"),
    Waits.UNUSABLE_ADDRESS: ("address", "addresses"),
}
RANKS = tuple(Waits)  # the gravest first, as `why_parked` has it


@dataclass(frozen=True)
class Which:
    """Which of the parked events are meant; all of them where nothing is said."""

    reasons: Collection[Waits] = ()
    names: Collection[str] = ()
    source: str = ""
    identity: str = ""  # the address or id that they wait for
    since: datetime | None = None  # when they occurred
    until: datetime | None = None

    @property
    def is_all(self) -> bool:
        return self == Which()


# visitors may yet say who they are: what waits for them needs nobody
WITH_A_NAME = Which(reasons=tuple(reason for reason in Waits if reason is not Waits.ANONYMOUS))


@dataclass(frozen=True)
class Waiting:
    """Parked events with one reason."""

    reason: Waits
    events: int
    people: int  # addresses or ids that they wait for
    lately: int  # of the events, those that came since an instant
    oldest_at: datetime  # when the first of them came

    def in_words(self, days: int) -> str:
        """A sentence, with the growth over so many days."""
        grown = f", {self.lately:,} of them came in the last {days} days" if self.lately else ""
        noun, plural = NOUNS[self.reason]
        whose = f"{self.people:,} {noun if self.people == 1 else plural}"
        verb = "waits" if self.events == 1 else "wait"
        return f"{counted(self.events, 'event')} of {whose} {verb}: {SAID[self.reason]}{grown}."


@dataclass(frozen=True)
class Group:
    """Parked events that wait for one address or id."""

    reason: Waits
    identity: Identity
    events: int
    names: int  # how many kinds of events they are
    name: str  # one of those
    first_at: datetime  # when the first of them occurred
    last_at: datetime


def count_parked(connection: Connection) -> int:
    """How many events have no customer."""
    query = select(func.count()).select_from(events).where(events.c.customer_id == NOBODY)
    return connection.scalar(query) or 0


def newest_event(connection: Connection) -> EventId:
    """Return the number of the event that came last; 0 before the first."""
    return EventId(connection.scalar(select(func.max(events.c.id))) or 0)


def summarize_parked(
    connection: Connection,
    since: datetime,
    which: Which = WITH_A_NAME,
    *,
    after: EventId | None = None,
    sources: Collection[str] = (),
) -> list[Waiting]:
    """Return the parked events that are meant by reason; `lately` counts from `since`.

    `after`: only events with later numbers; `sources`: only those that came from there.
    """
    main = _main(not which.reasons or Waits.ANONYMOUS in which.reasons)
    query = (
        select(
            main.c.rank,
            func.count(),
            func.count(distinct(main.c.kind + ":" + main.c.value)),
            func.count().filter(events.c.received_at >= since),
            func.min(events.c.received_at, type_=events.c.received_at.type),
        )
        .join_from(main, events, events.c.id == main.c.event_id)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .group_by(main.c.rank)
        .order_by(main.c.rank)
    )
    query = _of_events(query, which)
    if after is not None:
        query = query.where(main.c.event_id > after)
    if sources:
        query = query.where(events.c.source.in_(sources))
    if which.reasons:
        query = query.where(main.c.rank.in_([RANKS.index(reason) for reason in which.reasons]))
    return [Waiting(RANKS[rank], *rest) for rank, *rest in connection.execute(query)]


def list_groups(connection: Connection, which: Which, limit_rows: int) -> list[Group]:
    """Return whom the most events wait for."""
    main = _main(not which.reasons or Waits.ANONYMOUS in which.reasons)
    occurred_at = events.c.occurred_at
    query = (
        select(
            main.c.rank,
            main.c.kind,
            main.c.value,
            func.count().label("count"),
            func.count(distinct(event_kinds.c.name)),
            func.min(event_kinds.c.name),
            func.min(occurred_at, type_=occurred_at.type),
            func.max(occurred_at, type_=occurred_at.type),
        )
        .join_from(main, events, events.c.id == main.c.event_id)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .group_by(main.c.rank, main.c.kind, main.c.value)
        .order_by(main.c.rank, func.count().desc(), main.c.kind, main.c.value)
        .limit(limit_rows)
    )
    if which.reasons:
        query = query.where(main.c.rank.in_([RANKS.index(reason) for reason in which.reasons]))
    rows = connection.execute(_of_events(query, which))
    return [Group(RANKS[rank], Identity(kind, value), *rest) for rank, kind, value, *rest in rows]


def find_parked(
    connection: Connection, which: Which, after: EventId, limit_rows: int
) -> tuple[dict[EventId, list[Identity]], EventId | None]:
    """Return a page of the parked events that are meant, with what each waits for, and the number
    after which the next page begins; None where there is none.
    """
    query = (
        select(parked_events.c.event_id)
        .distinct()
        .join(events, events.c.id == parked_events.c.event_id)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .where(parked_events.c.event_id > after)
        .order_by(parked_events.c.event_id)
        .limit(limit_rows)
    )
    ids = [EventId(number) for number in connection.scalars(_of_events(query, which))]
    waits = load_waits(connection, ids)
    if which.reasons:
        owners = load_owners(connection, {i for found in waits.values() for i in found})
        waits = {
            id_: found for id_, found in waits.items() if why_parked(found, owners) in which.reasons
        }
    return waits, ids[-1] if len(ids) == limit_rows else None


def load_waits(connection: Connection, ids: Sequence[EventId]) -> dict[EventId, list[Identity]]:
    """Return what each of these parked events waits for."""
    found: dict[EventId, list[Identity]] = {}
    query = select(parked_events).where(parked_events.c.event_id.in_(ids))
    for row in connection.execute(query.order_by(parked_events.c.event_id)):
        found.setdefault(EventId(row.event_id), []).append(Identity(row.kind, row.value))
    return found


def find_outdated(connection: Connection, before: datetime, limit_rows: int) -> list[EventId]:
    """Return the oldest parked events, if they came before that instant: events are numbered as
    they come, so that the first ones that are newer end the search.
    """
    oldest = (
        select(parked_events.c.event_id, events.c.received_at)
        .join(events, events.c.id == parked_events.c.event_id)
        .order_by(parked_events.c.event_id)
        .limit(limit_rows)
    )
    rows = connection.execute(oldest)
    return sorted({EventId(row.event_id) for row in rows if row.received_at < before})


def drop_parked(tx: Connection, ids: Sequence[EventId]) -> int:
    """Forget these events, as far as nobody has got them meanwhile; how many there were."""
    tx.execute(delete(parked_events).where(parked_events.c.event_id.in_(ids)))
    gone = tx.execute(delete(events).where(events.c.id.in_(ids), events.c.customer_id == NOBODY))
    return gone.rowcount


def _of_events(query: Select[Any], which: Which) -> Select[Any]:
    if which.names:
        query = query.where(event_kinds.c.name.in_(which.names))
    if which.source:
        query = query.where(events.c.source == which.source)
    if which.since is not None:
        query = query.where(events.c.occurred_at >= which.since)
    if which.until is not None:
        query = query.where(events.c.occurred_at < which.until)
    if which.identity:
        named = select(parked_events.c.event_id).where(parked_events.c.value == which.identity)
        query = query.where(events.c.id.in_(named))
    return query


def _main(with_visitors: bool) -> Subquery:
    """Of each parked event the identity that tells why it waits, with the rank of the reason."""
    meant = true() if with_visitors else _is_named()
    waited_for = (
        select(parked_events.c.kind, parked_events.c.value).where(meant).distinct().subquery()
    )
    owned = (
        select(identities.c.kind, identities.c.value, func.count().label("owners"))
        .join(
            waited_for,
            and_(waited_for.c.kind == identities.c.kind, waited_for.c.value == identities.c.value),
        )
        .group_by(identities.c.kind, identities.c.value)
        .subquery()
    )
    is_address = parked_events.c.kind.in_(ADDRESSES)
    rank = case(
        (parked_events.c.value == "", RANKS.index(Waits.UNUSABLE_ADDRESS)),
        (is_address & (owned.c.owners > 1), RANKS.index(Waits.SHARED_ADDRESS)),
        (is_address, RANKS.index(Waits.UNKNOWN_ADDRESS)),
        (parked_events.c.kind == ANONYMOUS, RANKS.index(Waits.ANONYMOUS)),
        else_=RANKS.index(Waits.UNKNOWN_ID),
    ).label("rank")
    place = func.row_number().over(
        partition_by=parked_events.c.event_id,
        order_by=(rank, parked_events.c.kind, parked_events.c.value),
    )
    is_owned = and_(owned.c.kind == parked_events.c.kind, owned.c.value == parked_events.c.value)
    ranked = (
        select(
            parked_events.c.event_id,
            parked_events.c.kind,
            parked_events.c.value,
            rank,
            place.label("place"),
        )
        .outerjoin(owned, is_owned)
        .where(meant)
        .subquery()
    )
    return select(ranked).where(ranked.c.place == 1).subquery()


def _is_named() -> ColumnElement[bool]:
    """True for what waits for no visitor, as two ranges of the index: these may be few of many."""
    return or_(parked_events.c.kind < ANONYMOUS, parked_events.c.kind > ANONYMOUS)
