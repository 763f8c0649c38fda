"""What was not taken, and why: kept so that its sender can be told."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from store.records import Reject
from store.tables import rejects


def note_rejects(tx: Connection, source: str, items: Iterable[Reject], now: datetime) -> None:
    rows = [
        {"source": source, "reason": item.reason, "item": item.item, "received_at": now}
        for item in items
    ]
    if rows:
        tx.execute(rejects.insert(), rows)
