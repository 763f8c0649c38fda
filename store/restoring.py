"""What a database that comes from a backup must be told: numbers given since are not to be reused.

Links in emails, and what providers report, name emails and customers by number. An email that left
after the backup must not speak for one that gets its number now.
"""

from datetime import datetime

from sqlalchemy import Column, Connection, func, insert, select, text

from store.records import NOBODY
from store.tables import customers, messages

SKIPPED = 1_000_000  # more than are given between two backups


def _newest(tx: Connection, number: Column[int]) -> int:
    return tx.scalar(select(func.max(number))) or 0


def skip_numbers(tx: Connection, now: datetime) -> None:
    """Leave a gap before the next email and the next customer."""
    if tx.dialect.name == "postgresql":
        for table in (customers, messages):
            skip = "SELECT setval(pg_get_serial_sequence(:table, 'id'), :last)"
            last = _newest(tx, table.c.id) + SKIPPED
            tx.execute(text(skip), {"table": table.name, "last": last})
        return
    # SQLite counts on from the highest number that there is: rows of nobody hold it
    erased = {"id": _newest(tx, customers.c.id) + SKIPPED, "known_at": now, "erased_at": now}
    tx.execute(insert(customers).values(erased))
    gap = {
        "id": _newest(tx, messages.c.id) + SKIPPED,
        "customer_id": NOBODY,
        "template": "restored",
        "topic": "service",
        "status": "cancelled",
        "reason": "no email: numbers up to here may have been given before a backup was restored",
        "queued_at": now,
        "header_id": f"restored.{now.isoformat()}",
    }
    tx.execute(insert(messages).values(gap))
