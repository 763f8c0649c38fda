"""What has left and what has its place later, of what is paced."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from store.records import EnrollmentId
from store.tables import EPOCH, decisions, paced
from store.upserts import insert_or_skip

Places = Mapping[str, Mapping[datetime, int]]  # scope -> instant -> mails


def find_retimed(
    tx: Connection, ids: Collection[EnrollmentId], since: datetime
) -> set[EnrollmentId]:
    """Those among these whose steps an outage delayed and who were put off to a time since then."""
    query = select(decisions.c.enrollment_id).where(
        decisions.c.enrollment_id.in_(ids),
        decisions.c.decision == "retimed",
        decisions.c.due_at >= since,
    )
    return {EnrollmentId(id_) for id_ in tx.scalars(query)}


def lock_places(tx: Connection, scopes: Mapping[str, datetime]) -> Places:
    """Those of each scope since its instant; nobody else may give any away meanwhile.

    What is older is counted no more, and forgotten.
    """
    ordered = sorted(scopes)
    guards = [{"scope": scope, "at": EPOCH, "mails": 0} for scope in ordered]
    tx.execute(insert_or_skip(tx, paced), guards)
    guarded = select(paced.c.scope).where(paced.c.scope.in_(ordered), paced.c.at == EPOCH)
    tx.execute(guarded.order_by(paced.c.scope).with_for_update()).all()
    for scope in ordered:
        is_old = (paced.c.at < scopes[scope]) & (paced.c.at != EPOCH)
        tx.execute(delete(paced).where(paced.c.scope == scope, is_old))
    found: dict[str, dict[datetime, int]] = {scope: {} for scope in ordered}
    query = select(paced).where(paced.c.scope.in_(ordered), paced.c.at != EPOCH)
    for row in tx.execute(query):
        found[row.scope][row.at] = row.mails
    return found


def save_places(tx: Connection, changed: Places) -> None:
    """How many there are now at these instants."""
    rows = [
        {"scope": scope, "at": at, "mails": mails}
        for scope, places in changed.items()
        for at, mails in places.items()
    ]
    for scope, places in changed.items():
        tx.execute(delete(paced).where(paced.c.scope == scope, paced.c.at.in_(places)))
    if kept := [row for row in rows if row["mails"]]:
        tx.execute(insert(paced), kept)
