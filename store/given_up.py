"""Mails whose provider put them off for too long, and having them sent after all."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, update

from store.records import MessageId
from store.tables import enrollments, messages

GAVE_UP = "gave up after"  # how the reason of such a mail begins


def count_given_up(connection: Connection, journey: str | None) -> int:
    """Those of one journey; None: those to our own people."""
    query = select(func.count()).select_from(messages).where(*_given_up())
    if journey is None:
        return connection.scalar(query.where(messages.c.enrollment_id.is_(None))) or 0
    return connection.scalar(query.where(_of(journey))) or 0


def find_given_up(
    connection: Connection,
    *,
    journey: str | None = None,
    topic: str | None = None,
    since: datetime | None = None,
) -> list[MessageId]:
    """Those of a journey, on a topic, queued since then; all where nothing is said."""
    query = select(messages.c.id).where(*_given_up()).order_by(messages.c.id)
    if journey is not None:
        query = query.where(_of(journey))
    if topic is not None:
        query = query.where(messages.c.topic == topic)
    if since is not None:
        query = query.where(messages.c.queued_at >= since)
    return [MessageId(id_) for id_ in connection.scalars(query)]


def queue_again(tx: Connection, ids: Sequence[MessageId]) -> int:
    """As old as they are: the oldest goes first, and permission is asked as of any that is due."""
    done = tx.execute(
        update(messages)
        .where(messages.c.id.in_(ids), *_given_up())
        .values(
            status="queued",
            reason="",
            due_at=messages.c.queued_at,
            attempts=0,
            deferred_at=None,
            enqueued_until=None,
            handed_over_at=None,
        )
    )
    return done.rowcount


def _given_up() -> tuple[ColumnElement[bool], ...]:
    return messages.c.status == "refused", messages.c.reason.startswith(GAVE_UP)


def _of(journey: str) -> ColumnElement[bool]:
    theirs = select(enrollments.c.id).where(enrollments.c.journey == journey)
    return messages.c.enrollment_id.in_(theirs)
