"""What became of webhooks and notices, after which a step goes on before they are done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from rekindle.cli.stamps import stamp
from store.portraits import DecisionLine, Trip
from store.records import EnrollmentId
from store.tables import effects
from workers.receivers import pause_after


@dataclass(frozen=True)
class UndoneEffect:
    """One webhook or notice that is not done, as far as was known at the instant."""

    enrollment_id: EnrollmentId
    step: str
    visit: int
    kind: str  # notify, webhook
    status: str  # due, failed
    attempts: int
    due_at: datetime | None
    error: str

    def in_words(self) -> str:
        tries = f"{self.attempts} attempt{'s' if self.attempts > 1 else ''}"
        if self.status == "failed":
            return f"failed for good after {tries}: {self.error}"
        again = f"is tried again at {stamp(self.due_at)}"
        return f"failed in {tries}, {again}: {self.error}" if self.attempts else "is not done yet"


def load_undone(
    connection: Connection, trips: Sequence[Trip], at: datetime
) -> tuple[UndoneEffect, ...]:
    """Of these trips, as they stood then, what is not done."""
    query = (
        select(effects)
        .where(effects.c.enrollment_id.in_([one.id for one in trips]), effects.c.status != "done")
        .order_by(effects.c.id)
    )
    decided = {(trip.id, *_visit(line)): line for trip in trips for line in trip.decisions}
    found = []
    for row in connection.execute(query):
        line = decided.get((row.enrollment_id, row.step, row.visit))
        if line is not None and _is_known(row, line, at):
            found.append(_undone(row))
    return tuple(found)


def undone_of(undone: Sequence[UndoneEffect], trip: Trip, line: DecisionLine) -> list[UndoneEffect]:
    """Those that this decision asked for."""
    place = (trip.id, *_visit(line))
    return [one for one in undone if (one.enrollment_id, one.step, one.visit) == place]


def _visit(line: DecisionLine) -> tuple[str, int]:
    return line.step, line.visit


def _is_known(row: Any, line: DecisionLine, at: datetime) -> bool:
    """No instant of a try is stored; the last came at the earliest after every pause between."""
    pauses = sum((pause_after(number) for number in range(row.attempts - 1)), timedelta())
    return line.decided_at + pauses <= at


def _undone(row: Any) -> UndoneEffect:
    return UndoneEffect(
        EnrollmentId(row.enrollment_id), row.step, row.visit, row.kind, row.status, row.attempts,
        row.due_at, row.error or "",
    )  # fmt: skip
