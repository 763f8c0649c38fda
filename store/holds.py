"""Whether anything may leave at all: a hold keeps every email, webhook and notice of a database."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, func, insert, select, update

from store.alarms import HELD, clear_alarms, raise_alarm
from store.bulk import read_rows
from store.permission_changes import note_permission_change
from store.tables import holds

EVERYTHING = "all"  # and its subject

STANDS = holds.c.released_at.is_(None)
IS_ANY = exists(select(holds.c.id).where(STANDS))
STANDING = select(holds.c.began_at, holds.c.reason).where(STANDS).order_by(holds.c.id).limit(1)
LAST_RELEASE = select(func.max(holds.c.released_at, type_=holds.c.released_at.type))


@dataclass(frozen=True)
class Hold:
    """Since when nothing leaves, and why, in the words of whoever said so."""

    began_at: datetime
    reason: str

    def in_words(self) -> str:
        since = f"{self.began_at:%Y-%m-%d %H:%M} UTC"
        why = f" ({self.reason})" if self.reason else ""
        return f"nothing leaves since {since}{why}, until 'rekindle release'"


def find_hold(connection: Connection) -> Hold | None:
    """The hold that stands, if one does."""
    rows = read_rows(connection, STANDING)
    return Hold(*rows[0]) if rows else None


def begin_hold(tx: Connection, reason: str, now: datetime) -> Hold:
    """From the commit on nothing leaves; a hold that stands already is left as it is."""
    if (standing := find_hold(tx)) is not None:
        return standing
    tx.execute(insert(holds).values(began_at=now, reason=reason))
    note_permission_change(tx)  # what is claimed already stays as well
    hold = Hold(now, reason)
    raise_alarm(tx, HELD, EVERYTHING, f"{hold.in_words()}.", now)
    return hold


def end_hold(tx: Connection, now: datetime) -> bool:
    """Let everything leave again; whether anything was held."""
    found = tx.execute(update(holds).where(STANDS).values(released_at=now))
    clear_alarms(tx, HELD, [EVERYTHING], now)
    return bool(found.rowcount)


def last_release(connection: Connection) -> datetime | None:
    """When the last hold ended."""
    released_at: datetime | None = connection.scalar(LAST_RELEASE)
    return released_at
