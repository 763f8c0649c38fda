"""Slots of time in which paced mails have their places."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from store.records import EnrollmentId
from store.tables import EPOCH, decisions, pace_slots
from store.upserts import insert_or_skip

Slots = Mapping[str, Mapping[datetime, int]]  # scope -> beginning of a slot -> places taken


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


def lock_slots(tx: Connection, scopes: Collection[str], since: datetime) -> Slots:
    """The slots of these scopes from `since` on; nobody else may take a place meanwhile."""
    ordered = sorted(scopes)
    guards = [{"scope": scope, "begins_at": EPOCH, "taken": 0} for scope in ordered]
    tx.execute(insert_or_skip(tx, pace_slots), guards)
    guarded = select(pace_slots.c.scope).where(
        pace_slots.c.scope.in_(ordered), pace_slots.c.begins_at == EPOCH
    )
    tx.execute(guarded.order_by(pace_slots.c.scope).with_for_update()).all()
    is_old = (pace_slots.c.begins_at < since) & (pace_slots.c.begins_at != EPOCH)
    tx.execute(delete(pace_slots).where(pace_slots.c.scope.in_(ordered), is_old))
    found: dict[str, dict[datetime, int]] = {scope: {} for scope in ordered}
    query = select(pace_slots).where(
        pace_slots.c.scope.in_(ordered), pace_slots.c.begins_at != EPOCH
    )
    for row in tx.execute(query):
        found[row.scope][row.begins_at] = row.taken
    return found


def take_slots(tx: Connection, added: Slots) -> None:
    """Write places that were taken."""
    rows = [
        {"scope_": scope, "begins_at_": at, "more": more}
        for scope, slots in added.items()
        for at, more in slots.items()
    ]
    if not rows:
        return
    tx.execute(
        insert_or_skip(tx, pace_slots),
        [{"scope": r["scope_"], "begins_at": r["begins_at_"], "taken": 0} for r in rows],
    )
    for row in rows:
        is_it = (pace_slots.c.scope == row["scope_"]) & (
            pace_slots.c.begins_at == row["begins_at_"]
        )
        tx.execute(update(pace_slots).where(is_it).values(taken=pace_slots.c.taken + row["more"]))
