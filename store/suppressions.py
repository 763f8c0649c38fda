"""Addresses we must not mail, and why; lifting one keeps its history."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from store.tables import suppressions

SUPPRESSED = select(suppressions.c.address, suppressions.c.reason).where(
    suppressions.c.address.in_(bindparam("addresses", expanding=True)),
    suppressions.c.known_at <= bindparam("at"),
    or_(suppressions.c.lifted_at.is_(None), suppressions.c.lifted_at > bindparam("at")),
)


def find_suppressed(
    connection: Connection, addresses: Iterable[str], at: datetime
) -> dict[str, str]:
    """Of `addresses` those suppressed at `at`, in lower case, with the reason."""
    wanted = sorted({address.lower() for address in addresses if address})
    rows = connection.execute(SUPPRESSED, {"addresses": wanted, "at": at})
    return {row.address: row.reason for row in rows}


def suppress(
    tx: Connection,
    reasons: Mapping[str, str],
    now: datetime,
    *,
    detail: str = "",
    known_at: datetime | None = None,
) -> int:
    """Suppress addresses, each for its reason; those suppressed already stay as they are.

    `known_at`: since when this is known, where that is earlier than `now`. Returns how many are
    new.
    """
    asked = {address.lower(): reason for address, reason in reasons.items() if address}
    known = find_suppressed(tx, asked, now)
    rows = [
        {"address": address, "reason": reason, "detail": detail, "known_at": known_at or now}
        for address, reason in asked.items()
        if address not in known
    ]
    if rows:
        tx.execute(insert(suppressions), rows)
    return len(rows)


def lift(tx: Connection, address: str, now: datetime) -> bool:
    """Allow mail to `address` again; False if nothing forbade it."""
    lifted = tx.execute(
        update(suppressions)
        .where(suppressions.c.address == address.lower(), suppressions.c.lifted_at.is_(None))
        .values(lifted_at=now)
        .returning(suppressions.c.id)
    )
    return lifted.first() is not None
