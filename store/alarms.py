"""What is wrong and needs a person: raised once, until it is cleared."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from store.tables import alarms

FAILED = "segment.failed"  # it cannot be evaluated
AHEAD = "clock.ahead"  # what is stored lies in the future
STALE = "segment.stale"  # it is far behind
UNWRITTEN = "mail.unwritten"  # the mails of a step fail
COMPLAINTS = "journey.complaints"  # nearly as many as stop it
PLAINLY = "notice.unwritten"  # the words of a step's notices fail
GIVEN_UP = "mail.given_up"  # their provider put them off for too long
PROVIDER = "provider.unavailable"  # it takes no mail at all


def raise_alarm(tx: Connection, kind: str, subject: str, message: str, now: datetime) -> None:
    """Say that something is wrong with `subject`; one that is raised already is left as it is."""
    is_same = (alarms.c.kind == kind) & (alarms.c.subject == subject)
    standing = select(alarms.c.id).where(is_same, alarms.c.cleared_at.is_(None))
    if tx.execute(standing).first() is None:
        row = {"kind": kind, "subject": subject, "message": message, "raised_at": now}
        tx.execute(insert(alarms).values(row))


def restate_alarm(tx: Connection, kind: str, subject: str, message: str) -> None:
    """Say of one that stands how it is by now."""
    tx.execute(
        update(alarms)
        .where(alarms.c.kind == kind, alarms.c.subject == subject, alarms.c.cleared_at.is_(None))
        .values(message=message)
    )


def clear_alarms(tx: Connection, kind: str, subjects: Collection[str], now: datetime) -> None:
    """They are well again."""
    tx.execute(
        update(alarms)
        .where(alarms.c.kind == kind, alarms.c.subject.in_(subjects), alarms.c.cleared_at.is_(None))
        .values(cleared_at=now)
    )


def raised_until(connection: Connection, kind: str, until: datetime) -> frozenset[str]:
    """Of what there is such an alarm since then or longer."""
    is_old = (alarms.c.kind == kind) & (alarms.c.raised_at <= until)
    return frozenset(
        connection.scalars(select(alarms.c.subject).where(is_old, alarms.c.cleared_at.is_(None)))
    )


def load_standing(connection: Connection, kind: str) -> frozenset[str]:
    """Of what there is such an alarm at present."""
    query = select(alarms.c.subject).where(alarms.c.kind == kind, alarms.c.cleared_at.is_(None))
    return frozenset(connection.scalars(query))
