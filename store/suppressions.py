"""Addresses we must not mail, and why; lifting one keeps its history."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from rekindle.addresses import canonical
from store.permission_changes import note_permission_change
from store.session import sees_until
from store.tables import suppressions

FINGERPRINT = "sha256:"
# what a report says outdoes what a lesser one said before it
LESSER: Mapping[str, tuple[str, ...]] = {
    "hard_bounce": ("soft_bounces",),
    "unsubscribe": ("soft_bounces", "hard_bounce"),
    "complaint": ("soft_bounces", "hard_bounce", "unsubscribe"),
}
SUPPRESSED = select(suppressions.c.address, suppressions.c.reason).where(
    suppressions.c.address.in_(bindparam("addresses", expanding=True)),
    suppressions.c.known_at <= bindparam("known_by"),
    or_(suppressions.c.lifted_at.is_(None), suppressions.c.lifted_at > bindparam("known_by")),
)


def find_suppressed(
    connection: Connection,
    addresses: Iterable[str],
    now: datetime,
    *,
    known_by: datetime | None = None,
) -> dict[str, str]:
    """Of the mailboxes of `addresses` those suppressed, in canonical form, and why; a look back
    says as known by when.
    """
    wanted = {mailbox for address in addresses if (mailbox := canonical(address))}
    marks = {fingerprint(address): address for address in wanted}
    rows = connection.execute(
        SUPPRESSED,
        {
            "addresses": sorted([*wanted, *marks]),
            "known_by": known_by or sees_until(connection, now),
        },
    )
    return {marks.get(row.address, row.address): row.reason for row in rows}


def fingerprint(address: str) -> str:
    """What stands for an address that was erased: enough to know it again, too little to mail."""
    return f"{FINGERPRINT}{sha256(address.encode()).hexdigest()}"


def is_fingerprint(text: str) -> bool:
    return text.startswith(FINGERPRINT)


def keep_by_fingerprint(tx: Connection, addresses: Iterable[str]) -> None:
    """Let these addresses stay suppressed without being written down."""
    for address in addresses:
        tx.execute(
            update(suppressions)
            .where(suppressions.c.address == address)
            .values(address=fingerprint(address), detail="", lifted_because=None)
        )


def suppress(
    tx: Connection,
    reasons: Mapping[str, str],
    now: datetime,
    *,
    details: Mapping[str, str] = MappingProxyType({}),
    known_at: datetime | None = None,
) -> int:
    """Suppress addresses, each for its reason; those suppressed already stay as they are, but for
    what is reported of them and graver.

    `details`: more on mailboxes, by canonical form. `known_at`: since when this is known, where
    that is earlier than `now`. Returns how many are new.
    """
    asked = {box: reason for address, reason in reasons.items() if (box := canonical(address))}
    known = find_suppressed(tx, asked, now)
    graver = _lift_lesser(tx, asked, known, now)
    rows = [
        {
            "address": address,
            "reason": reason,
            "detail": details.get(address, ""),
            "known_at": known_at or now,
        }
        for address, reason in asked.items()
        if address not in known or address in graver
    ]
    if rows:
        tx.execute(insert(suppressions), rows)
        note_permission_change(tx)  # whoever has the address, however they spell it
    return len(rows)


def _lift_lesser(
    tx: Connection, asked: Mapping[str, str], known: Mapping[str, str], now: datetime
) -> set[str]:
    """Let a lesser reason end where a graver one begins, so that reports may come in any order.

    What stands for an erased address stays as it is.
    """
    lesser = sorted(
        address for address, reason in asked.items() if known.get(address) in LESSER.get(reason, ())
    )
    if not lesser:
        return set()
    lifted = tx.execute(
        update(suppressions)
        .where(suppressions.c.address.in_(lesser), suppressions.c.lifted_at.is_(None))
        .values(lifted_at=now, lifted_because="a graver reason followed")
        .returning(suppressions.c.address)
    )
    return set(lifted.scalars())


def lift(tx: Connection, address: str, now: datetime, reason: str = "") -> bool:
    """Allow email to `address` again, for a reason; False if nothing forbade it."""
    lifted = tx.execute(
        update(suppressions)
        .where(
            suppressions.c.address.in_((canonical(address), fingerprint(canonical(address)))),
            suppressions.c.lifted_at.is_(None),
        )
        .values(lifted_at=now, lifted_because=reason)
        .returning(suppressions.c.id)
    )
    note_permission_change(tx)
    return lifted.first() is not None
