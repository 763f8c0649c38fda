"""Who is in which segment since when, and when each answer must be looked at again."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, select, true, update

from store.records import CustomerId, Membership
from store.tables import customers, memberships
from store.upserts import insert_or_replace

LONGEST_LIST = 10_000  # ids in one statement


@dataclass(frozen=True)
class DueCheck:
    """Time alone may have changed this customer's answer in this segment."""

    segment: str
    customer_id: CustomerId
    next_check_at: datetime


def load_memberships(
    connection: Connection, segment: str, customer_ids: Collection[int]
) -> dict[CustomerId, Membership]:
    """What is stored of these customers in one segment; those far from it have nothing."""
    found: dict[CustomerId, Membership] = {}
    for chosen in _chosen(customer_ids):
        query = select(memberships).where(memberships.c.segment == segment, chosen)
        for row in connection.execute(query):
            found[CustomerId(row.customer_id)] = Membership(**row._mapping)
    return found


def load_member_ids(
    connection: Connection, segment: str, limit_rows: int | None = None
) -> list[CustomerId]:
    """Who is stored as a member of one segment, by id."""
    query = (
        select(memberships.c.customer_id)
        .where(memberships.c.segment == segment, memberships.c.is_member == true())
        .order_by(memberships.c.customer_id)
        .limit(limit_rows)
    )
    return [CustomerId(row.customer_id) for row in connection.execute(query)]


def list_external_ids(
    connection: Connection, segment: str, after: str, *, limit_rows: int
) -> list[tuple[str, datetime | None]]:
    """Members of one segment by their external ids, those behind `after`, each with since when."""
    query = (
        select(customers.c.external_id, memberships.c.since)
        .join(customers, customers.c.id == memberships.c.customer_id)
        .where(memberships.c.segment == segment, memberships.c.is_member == true())
        .where(customers.c.external_id > after)
        .order_by(customers.c.external_id)
        .limit(limit_rows)
    )
    return [(row.external_id, row.since) for row in connection.execute(query)]


def load_members(connection: Connection, segment: str) -> list[str]:
    """External ids of who is stored as a member of one segment."""
    query = (
        select(customers.c.external_id)
        .join(memberships, memberships.c.customer_id == customers.c.id)
        .where(memberships.c.segment == segment, memberships.c.is_member == true())
    )
    return list(connection.scalars(query))


def save_memberships(tx: Connection, changed: Sequence[Membership]) -> None:
    """Store these; who is no member and never becomes one by time alone keeps no row."""
    kept = [m for m in changed if m.is_member or m.next_check_at is not None]
    if kept:
        tx.execute(insert_or_replace(tx, memberships), [vars(m) for m in kept])
    gone = [m for m in changed if not m.is_member and m.next_check_at is None]
    for segment in sorted({m.segment for m in gone}):
        for some in _in_parts([m.customer_id for m in gone if m.segment == segment]):
            tx.execute(
                delete(memberships).where(
                    memberships.c.segment == segment, memberships.c.customer_id.in_(some)
                )
            )


def claim_due_checks(tx: Connection, now: datetime, limit_rows: int) -> list[DueCheck]:
    """The checks that have come, longest due first, locked for this transaction.

    One look at an index when nothing is due. Those that another worker holds are passed over.
    """
    query = (
        select(memberships.c.segment, memberships.c.customer_id, memberships.c.next_check_at)
        .where(memberships.c.next_check_at <= now)
        .order_by(memberships.c.next_check_at)
        .limit(limit_rows)
        .with_for_update(skip_locked=True)
    )
    return [DueCheck(*row) for row in tx.execute(query)]


def put_off_checks(
    tx: Connection, segment: str, customer_ids: Collection[int], until: datetime
) -> None:
    """Look at these again only then, whatever is due before."""
    for some in _in_parts(customer_ids):
        tx.execute(
            update(memberships)
            .where(
                memberships.c.segment == segment,
                memberships.c.customer_id.in_(some),
                memberships.c.next_check_at < until,
            )
            .values(next_check_at=until)
        )


def next_check(connection: Connection) -> datetime | None:
    """When the next answer must be looked at; None while time alone changes nothing."""
    found: datetime | None = connection.scalar(select(func.min(memberships.c.next_check_at)))
    return found


def count_members(connection: Connection) -> dict[str, int]:
    """The stored size of every segment that has members."""
    query = (
        select(memberships.c.segment, func.count().label("members"))
        .where(memberships.c.is_member == true())
        .group_by(memberships.c.segment)
    )
    return {row.segment: row.members for row in connection.execute(query)}


def forget_segment(tx: Connection, segment: str) -> None:
    """Nobody is in a segment that is no more."""
    tx.execute(delete(memberships).where(memberships.c.segment == segment))


def _chosen(ids: Collection[int]) -> Iterator[ColumnElement[bool]]:
    """These customers, of a range all from the first to the last, in one condition or several."""
    if isinstance(ids, range):
        yield memberships.c.customer_id.between(ids[0], ids[-1])
        return
    for some in _in_parts(ids):
        yield memberships.c.customer_id.in_(some)


def _in_parts(ids: Collection[int]) -> Iterator[Sequence[int]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), LONGEST_LIST):
        yield ordered[start : start + LONGEST_LIST]
