"""Addresses of a file or a person, suppressed with word to whoever has them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from rekindle.addresses import EmailAddress
from store.events import note_changes
from store.identities import load_owners
from store.records import Identity, Receipt
from store.suppressions import suppress


def suppress_addresses(
    tx: Connection,
    items: Sequence[tuple[str, str]],
    now: datetime,
    *,
    reason: str = "import",
    known_at: datetime | None = None,
) -> Receipt:
    """Suppress each (address, detail); what was suppressed already counts as a duplicate.

    `known_at`: since when this is known, where that is earlier than `now`. Raises NotAnAddress.
    """
    by_detail: dict[str, dict[str, str]] = {}
    for address, detail in items:
        by_detail.setdefault(detail, {})[EmailAddress.parse(address).canonical] = reason
    accepted = sum(
        suppress(tx, reasons, now, detail=detail, known_at=known_at)
        for detail, reasons in by_detail.items()
    )
    owners = load_owners(tx, {Identity.of_email(address) for address, _ in items})
    changed = sorted({customer for who in owners.values() for customer in who})
    note_changes(tx, ((customer, None) for customer in changed))
    return Receipt(accepted, len(items) - accepted, customer_ids=tuple(changed))
