"""Effects that are not mails to a customer: rows first, done later, kept with how it went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from store.records import Enrollment, EnrollmentId
from store.tables import effects
from store.upserts import insert_or_skip


@dataclass(frozen=True)
class NewEffect:
    """Something to be done for one enrollment's step and visit; `ordinal` tells several apart."""

    enrollment: Enrollment
    ordinal: int
    kind: str  # notify, webhook
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class DueEffect:
    """Something still to be done."""

    id: int
    enrollment_id: EnrollmentId
    step: str
    kind: str
    payload: Mapping[str, Any]
    attempts: int  # so far


def add_effects(tx: Connection, new: Sequence[NewEffect], now: datetime) -> None:
    """Make each due now; one that its step and visit already has is left as it is."""
    if new:
        tx.execute(
            insert_or_skip(tx, effects),
            [
                {
                    "enrollment_id": one.enrollment.id,
                    "step": one.enrollment.step,
                    "visit": one.enrollment.visit,
                    "ordinal": one.ordinal,
                    "kind": one.kind,
                    "payload": dict(one.payload),
                    "status": "due",
                    "attempts": 0,
                    "due_at": now,
                }
                for one in new
            ],
        )


def claim_due_effects(
    tx: Connection, kind: str, now: datetime, limit_rows: int, until: datetime
) -> list[DueEffect]:
    """Effects due at `now`, nobody else's until then: one whose process dies is due again."""
    query = (
        select(
            effects.c.id,
            effects.c.enrollment_id,
            effects.c.step,
            effects.c.kind,
            effects.c.payload,
            effects.c.attempts,
        )
        .where(effects.c.due_at <= now, effects.c.kind == kind)
        .order_by(effects.c.due_at, effects.c.id)
        .limit(limit_rows)
        .with_for_update(skip_locked=True)
    )
    due = [DueEffect(*row) for row in tx.execute(query)]
    if due:
        ids = [one.id for one in due]
        tx.execute(update(effects).where(effects.c.id.in_(ids)).values(due_at=until))
    return due


def finish_effect(
    tx: Connection,
    id_: int,
    status: str,
    *,
    error: str | None = None,
    due_at: datetime | None = None,
) -> None:
    """Keep how it went: done, failed, or due again at `due_at`."""
    tx.execute(
        update(effects)
        .where(effects.c.id == id_)
        .values(status=status, error=error, due_at=due_at, attempts=effects.c.attempts + 1)
    )
