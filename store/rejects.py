"""What was not taken, and why: kept so that its sender can be told."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from store.records import Reject
from store.tables import rejects

QUOTED = re.compile(r"""'[^']*'|"[^"]*"|\d{4}-\d\d\S*""")


def note_rejects(tx: Connection, source: str, items: Iterable[Reject], now: datetime) -> None:
    rows = [
        {"source": source, "reason": item.reason, "item": item.item, "received_at": now}
        for item in items
    ]
    if rows:
        tx.execute(rejects.insert(), rows)


def count_reasons(items: Iterable[Reject]) -> dict[str, int]:
    """How many were not taken for which reason, fit for a log: what the reason quotes is left
    out.
    """
    return dict(Counter(QUOTED.sub("…", item.reason) for item in items))
