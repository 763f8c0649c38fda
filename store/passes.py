"""Passes: evaluations for everybody, in chunks, with a place kept so that a stopped one goes on."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, delete, select, update

from store.bulk import read_rows
from store.records import Because, CustomerId
from store.tables import customers, segment_states
from store.upserts import insert_or_replace

PASSES = select(
    segment_states.c.segment,
    segment_states.c.definition_id,
    segment_states.c.cause,
    segment_states.c.cursor,
    segment_states.c.finished_at,
    segment_states.c.failed_at,
)
LOCKED = {  # statements are made once: making one costs more than running it
    None: PASSES,
    "share": PASSES.with_for_update(read=True),
    "update": PASSES.with_for_update(),
}


@dataclass(frozen=True)
class Pass:
    """How far the evaluation of one segment for everybody has come."""

    segment: str
    definition_id: int
    cause: Because
    cursor: int  # customers up to this id are done
    is_finished: bool
    failed_at: datetime | None = None

    def covers(self, customer_id: int) -> bool:
        """Whether news about this customer is to be looked at; else a pass will."""
        return self.failed_at is None and (self.is_finished or customer_id <= self.cursor)


def load_passes(
    connection: Connection, *, lock: Literal["share", "update"] | None = None
) -> dict[str, Pass]:
    """The latest pass of each segment that ever had one.

    Locked for sharing they stay where they are until the transaction ends; to move them, lock them
    for update. On SQLite a writing transaction has everything to itself anyway.
    """
    return {
        segment: Pass(segment, definition_id, cause, cursor, finished_at is not None, failed_at)
        for segment, definition_id, cause, cursor, finished_at, failed_at in read_rows(
            connection, LOCKED[lock]
        )
    }


def begin_pass(
    tx: Connection, segment: str, definition_id: int, cause: Because, now: datetime
) -> Pass:
    """Everybody is to be looked at (once more), from the first customer on."""
    row = {
        "segment": segment,
        "definition_id": definition_id,
        "cause": cause,
        "cursor": 0,
        "started_at": now,
        "finished_at": None,
        "refreshed_at": None,
        "failed_at": None,
        "error": None,
    }
    tx.execute(insert_or_replace(tx, segment_states), [row])
    return Pass(segment, definition_id, cause, 0, is_finished=False)


def move_passes(
    tx: Connection, segments: Collection[str], cursor: int, finished_at: datetime | None
) -> list[str]:
    """Customers up to `cursor` are done, or all; returns those that have not failed."""
    moved = tx.scalars(
        update(segment_states)
        .where(segment_states.c.segment.in_(segments), segment_states.c.failed_at.is_(None))
        .values(cursor=cursor, finished_at=finished_at, refreshed_at=finished_at)
        .returning(segment_states.c.segment)
    )
    return list(moved)


def fail_pass(tx: Connection, segment: str, error: str, now: datetime) -> None:
    """The segment stays as it is until it is passed anew."""
    tx.execute(
        update(segment_states)
        .where(segment_states.c.segment == segment, segment_states.c.failed_at.is_(None))
        .values(failed_at=now, error=error)
    )


def forget_pass(tx: Connection, segment: str) -> None:
    tx.execute(delete(segment_states).where(segment_states.c.segment == segment))


def next_customers(connection: Connection, after: int, limit_rows: int) -> list[CustomerId]:
    """The next customers by id, the chunk of a pass."""
    query = select(customers.c.id).where(customers.c.id > after).order_by(customers.c.id)
    return [CustomerId(row.id) for row in connection.execute(query.limit(limit_rows))]
