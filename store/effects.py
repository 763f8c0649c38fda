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
class DueEffect:
    """Something still to be done."""

    id: int
    enrollment_id: EnrollmentId
    step: str
    kind: str
    payload: Mapping[str, Any]
    attempts: int


def add_notices(
    tx: Connection, notices: Sequence[tuple[Enrollment, int, Mapping[str, Any]]], now: datetime
) -> None:
    """A notice for each (enrollment, ordinal); one that its step and visit already has is left as
    it is.
    """
    if notices:
        tx.execute(
            insert_or_skip(tx, effects),
            [
                {
                    "enrollment_id": one.id,
                    "step": one.step,
                    "visit": one.visit,
                    "ordinal": ordinal,
                    "kind": "notify",
                    "payload": dict(payload),
                    "status": "due",
                    "attempts": 0,
                    "due_at": now,
                }
                for one, ordinal, payload in notices
            ],
        )


def claim_due_effects(tx: Connection, now: datetime, limit_rows: int) -> list[DueEffect]:
    """Effects due at `now`, locked for this transaction."""
    query = (
        select(
            effects.c.id,
            effects.c.enrollment_id,
            effects.c.step,
            effects.c.kind,
            effects.c.payload,
            effects.c.attempts,
        )
        .where(effects.c.due_at <= now)
        .order_by(effects.c.due_at)
        .limit(limit_rows)
        .with_for_update(skip_locked=True)
    )
    return [DueEffect(*row) for row in tx.execute(query)]


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
