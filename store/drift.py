"""When customers were active, and the drift states kept of them: read and written in sets."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Row,
    Select,
    delete,
    func,
    insert,
    select,
    type_coerce,
)

from store.records import NOBODY, CustomerId
from store.tables import customers, drift_priors, drift_states, events

LONGEST_LIST = 10_000  # ids in one statement
DAY_US = 86_400_000_000


def load_event_times(
    connection: Connection,
    kinds: Select[int],
    at: datetime,
    customer_ids: Collection[int] | None = None,
    *,
    one_in: int = 1,
) -> Iterable[tuple[CustomerId, datetime]]:
    """When these customers did something of these kinds, as known at `at`.

    Without ids: all customers, or one in so many of them. Sorted by customer, then by time.
    """
    query = (
        select(events.c.customer_id, events.c.occurred_at)
        .where(
            events.c.kind_id.in_(kinds),
            events.c.occurred_at <= at,
            events.c.known_at <= at,
            events.c.customer_id != NOBODY,
        )
        .order_by(events.c.customer_id, events.c.occurred_at)
    )
    if customer_ids is None:
        some = query if one_in == 1 else query.where(events.c.customer_id % one_in == 0)
        yield from _pairs(connection, some)
        return
    ordered = sorted(customer_ids)
    for start in range(0, len(ordered), LONGEST_LIST):
        wanted = ordered[start : start + LONGEST_LIST]
        yield from _pairs(connection, query.where(events.c.customer_id.in_(wanted)))


def _pairs(connection: Connection, query: Select[Any]) -> Iterable[tuple[CustomerId, datetime]]:
    for customer_id, occurred_at in connection.execute(query):
        yield CustomerId(customer_id), occurred_at


def replace_states(
    tx: Connection, clock: str, customer_ids: Collection[int], states: Sequence[Mapping[str, Any]]
) -> None:
    """Put `states` (rows of drift_states) in place of whatever was kept of these customers."""
    ordered = sorted(customer_ids)
    for start in range(0, len(ordered), LONGEST_LIST):
        some = ordered[start : start + LONGEST_LIST]
        tx.execute(
            delete(drift_states).where(
                drift_states.c.clock == clock, drift_states.c.customer_id.in_(some)
            )
        )
    if states:
        tx.execute(insert(drift_states), [dict(state) for state in states])


def load_states(
    connection: Connection, customer_ids: Collection[int], clock: str
) -> Sequence[Row[Any]]:
    """What is kept of these customers' drift on one clock."""
    query = select(drift_states).where(
        drift_states.c.clock == clock, drift_states.c.customer_id.in_(customer_ids)
    )
    return connection.execute(query).all()


def insert_priors(tx: Connection, priors: Mapping[str, Any], now: datetime) -> int:
    """Store a version of one clock's parameters; returns its id."""
    values = {column.name: priors[column.name] for column in _parameters()}
    made = tx.execute(insert(drift_priors).values(**values, known_at=now))
    key = made.inserted_primary_key
    assert key is not None
    return int(key[0])


def load_priors(connection: Connection, clock: str, at: datetime) -> Row[Any] | None:
    """The version in force at `at`, or else the first one; None before any was stored."""
    of_clock = select(drift_priors).where(drift_priors.c.clock == clock)
    in_force = of_clock.where(drift_priors.c.known_at <= at).order_by(
        drift_priors.c.known_at.desc(), drift_priors.c.id.desc()
    )
    first = of_clock.order_by(drift_priors.c.known_at, drift_priors.c.id)
    return connection.execute(in_force).first() or connection.execute(first).first()


def load_priors_of(connection: Connection, ids: Collection[int]) -> Sequence[Row[Any]]:
    """These versions, whenever they were in force."""
    return connection.execute(select(drift_priors).where(drift_priors.c.id.in_(ids))).all()


def _parameters() -> list[Column[Any]]:
    return [column for column in drift_priors.c if column.name not in ("id", "known_at")]


def has_returning(connection: Connection, kinds: Select[int], at: datetime) -> bool:
    """Whether anybody did something of these kinds a day or more after the first time."""
    occurred_at = type_coerce(events.c.occurred_at, BigInteger)
    span = func.max(occurred_at) - func.min(occurred_at)
    query = (
        select(events.c.customer_id)
        .where(
            events.c.kind_id.in_(kinds),
            events.c.occurred_at <= at,
            events.c.known_at <= at,
            events.c.customer_id != NOBODY,
        )
        .group_by(events.c.customer_id)
        .having(span >= DAY_US)
        .limit(1)
    )
    return connection.execute(query).first() is not None


def count_customers(connection: Connection) -> int:
    """How many there are, roughly: the highest id."""
    return int(connection.scalar(select(func.max(customers.c.id))) or 0)
