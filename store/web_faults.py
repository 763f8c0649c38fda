"""What fails at the web's own addresses: sources that are refused, pages that break."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, delete, select, tuple_

from store.tables import web_faults
from store.upserts import insert_or_replace

FaultKind = Literal["source", "page"]
FORGOTTEN_AFTER = timedelta(hours=1)  # what failed again after so long begins anew


@dataclass(frozen=True)
class WebFault:
    """A source of which nothing was taken since, or a page; what goes well has no row."""

    kind: FaultKind
    name: str
    count: int
    failing_since: datetime
    failed_at: datetime  # the last time
    reason: str  # of that one; without anything that somebody sent


def load_web_faults(connection: Connection, now: datetime) -> list[WebFault]:
    """Return what failed within the last hour, by name."""
    query = (
        select(web_faults)
        .where(web_faults.c.failed_at > now - FORGOTTEN_AFTER)
        .order_by(web_faults.c.kind, web_faults.c.name)
    )
    return [WebFault(*row) for row in connection.execute(query)]


def note_web_faults(tx: Connection, faults: Collection[WebFault]) -> None:
    """Add these to what is known."""
    for fault in faults:
        before = {(f.kind, f.name): f for f in load_web_faults(tx, fault.failing_since)}
        known = before.get((fault.kind, fault.name))
        if known is not None:
            count, since = known.count + fault.count, known.failing_since
            fault = replace(fault, count=count, failing_since=since)
        tx.execute(insert_or_replace(tx, web_faults), [vars(fault)])


def end_web_faults(tx: Connection, names: Collection[tuple[FaultKind, str]]) -> None:
    """These go well again."""
    if names:
        key = tuple_(web_faults.c.kind, web_faults.c.name)
        tx.execute(delete(web_faults).where(key.in_(names)))
