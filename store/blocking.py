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
    details: dict[str, str] = {}
    for address, detail in items:
        details.setdefault(EmailAddress.parse(address).canonical, detail)
    reasons = dict.fromkeys(details, reason)
    accepted = suppress(tx, reasons, now, details=details, known_at=known_at)
    owners = load_owners(tx, {Identity.of_email(address) for address, _ in items})
    changed = sorted({customer for who in owners.values() for customer in who})
    note_changes(tx, ((customer, None) for customer in changed))
    return Receipt(accepted, len(items) - accepted, customer_ids=tuple(changed))
