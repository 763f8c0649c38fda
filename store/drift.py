"""The drift that is kept of customers, and what was learned of everybody: rows in, rows out."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    bindparam,
    func,
    insert,
    or_,
    select,
    type_coerce,
)

from store.records import NOBODY, CustomerId
from store.tables import customers, drift_priors, drift_recalibrations, drift_states, events

DAY_US = 86_400_000_000


CLOCKS = ("goal", "any")


def _in_force(table: Table) -> Select[Any]:
    """Of each clock the version in force at `at`, or else the first one."""

    def version_of(clock: str) -> ColumnElement[int]:
        own = table.alias().c
        all_ = select(own.id).where(own.clock == clock).limit(1)
        newest = all_.where(own.known_at <= bindparam("at")).order_by(
            own.known_at.desc(), own.id.desc()
        )
        first = all_.order_by(own.known_at, own.id)
        return func.coalesce(newest.scalar_subquery(), first.scalar_subquery())

    return select(table).where(table.c.id.in_([version_of(clock) for clock in CLOCKS]))


# made once: they are asked whenever anybody does anything
PRIORS, RECALIBRATIONS = _in_force(drift_priors), _in_force(drift_recalibrations)


def load_states(
    connection: Connection, customer_ids: Collection[int] | None, clock: str
) -> Sequence[Row[Any]]:
    """What is kept of these customers' drift on one clock, or of everybody's."""
    query = select(drift_states).where(drift_states.c.clock == clock)
    if customer_ids is not None:
        query = query.where(drift_states.c.customer_id.in_(customer_ids))
    return connection.execute(query).all()


def is_kept_later(connection: Connection, customer_id: CustomerId, now: datetime) -> bool:
    """Whether what is kept of this customer's drift knows of anything that came after `now`."""
    kept, made = drift_states.c, drift_priors.c
    query = (
        select(kept.customer_id)
        .join(drift_priors, made.id == kept.priors_id)
        .where(
            kept.customer_id == customer_id,
            or_(kept.wound_at > now, kept.risk_at > now, made.known_at > now),
        )
        .limit(1)
    )
    return connection.execute(query).first() is not None


def insert_priors(tx: Connection, priors: Mapping[str, Any], now: datetime) -> int:
    """Store a version of one clock's parameters; returns its id."""
    return _insert_version(tx, drift_priors, priors, now)


def load_priors(connection: Connection, at: datetime) -> dict[str, Row[Any]]:
    """By clock the version in force at `at`, or else the first one; none before any was stored."""
    return {row.clock: row for row in connection.execute(PRIORS, {"at": at})}


def insert_recalibration(
    tx: Connection, clock: str, weights: Mapping[str, Any], now: datetime
) -> int:
    """Store a version of the correction of one clock's risk; returns its id."""
    return _insert_version(tx, drift_recalibrations, {**weights, "clock": clock}, now)


def load_recalibrations(connection: Connection, at: datetime) -> dict[str, Row[Any]]:
    """As `load_priors`, the corrections of the risk."""
    return {row.clock: row for row in connection.execute(RECALIBRATIONS, {"at": at})}


def _insert_version(tx: Connection, table: Table, values: Mapping[str, Any], now: datetime) -> int:
    names = [column.name for column in table.c if column.name not in ("id", "known_at")]
    row = {name: values[name] for name in names}
    made = tx.execute(insert(table), row | {"known_at": now})
    key = made.inserted_primary_key
    assert key is not None
    return int(key[0])


def load_priors_of(connection: Connection, ids: Collection[int]) -> Sequence[Row[Any]]:
    """These versions, whenever they were in force."""
    return connection.execute(select(drift_priors).where(drift_priors.c.id.in_(ids))).all()


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
