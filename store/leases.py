"""Leases by name: at most one holder at a time, by wall time."""

from datetime import datetime

from sqlalchemy import Connection, delete, or_, select, update

from store.tables import leases
from store.upserts import insert_or_skip


def hold_lease(tx: Connection, name: str, holder: str, wall: datetime, until: datetime) -> bool:
    """Take or extend the lease; False while somebody else's runs."""
    tx.execute(insert_or_skip(tx, leases).values(name=name, holder=holder, until=until))
    held = tx.execute(
        update(leases)
        .where(leases.c.name == name, or_(leases.c.holder == holder, leases.c.until <= wall))
        .values(holder=holder, until=until)
        .returning(leases.c.name)
    )
    return held.first() is not None


def find_lease(connection: Connection, name: str) -> tuple[str, datetime] | None:
    """Who holds the lease, and until when (wall time)."""
    row = connection.execute(select(leases).where(leases.c.name == name)).first()
    return (row.holder, row.until) if row else None


def release_lease(tx: Connection, name: str, holder: str) -> None:
    """Let go, so that a standby takes over at once."""
    tx.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))
