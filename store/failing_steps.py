"""Steps whose mails could not be written lately: what is counted of each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, tuple_

from store.bulk import read_rows
from store.records import CustomerId
from store.tables import failing_steps
from store.upserts import insert_or_replace, insert_or_skip

Spot = tuple[str, str]  # a journey and one of its steps

SPOTS = select(failing_steps.c.journey, failing_steps.c.step)
AT = tuple_(failing_steps.c.journey, failing_steps.c.step).in_(bindparam("spots", expanding=True))
ROWS = select(failing_steps).where(AT).order_by(*failing_steps.primary_key)
IS_LONG_AGO = failing_steps.c.failed_at <= bindparam("until")
LONG_AGO = select(failing_steps.c.step).where(IS_LONG_AGO).limit(1)
FORGOTTEN = (
    delete(failing_steps)
    .where(IS_LONG_AGO)
    .returning(failing_steps.c.journey, failing_steps.c.step)
)


@dataclass(frozen=True)
class FailingStep:
    """One step and its mails since the first of them failed."""

    journey: str
    step: str
    first_customer: CustomerId  # whose mail failed first
    is_odd_one: bool  # nobody else's has failed
    failed: int
    lately_failed: int
    lately_written: int  # before the last failure
    written_since: int  # the last failure
    began_at: datetime
    failed_at: datetime

    @property
    def tried(self) -> int:
        """Mails up to the last failure."""
        return self.lately_failed + self.lately_written

    @property
    def spot(self) -> Spot:
        return self.journey, self.step


def load_failing(connection: Connection) -> frozenset[Spot]:
    """All there are: usually none."""
    return frozenset(read_rows(connection, SPOTS))


def lock_failing(
    tx: Connection, spots: Collection[Spot], fresh: Sequence[FailingStep]
) -> dict[Spot, FailingStep]:
    """Those of `spots` that are counted, the fresh ones from now on; nobody else counts meanwhile.

    What comes in order is locked in order, so that nobody waits for each other.
    """
    if fresh:
        tx.execute(insert_or_skip(tx, failing_steps), [vars(one) for one in fresh])
    rows = tx.execute(ROWS.with_for_update(), {"spots": sorted(spots)})
    return {(row.journey, row.step): FailingStep(*row) for row in rows}


def save_failing(tx: Connection, step: FailingStep) -> None:
    tx.execute(insert_or_replace(tx, failing_steps), [vars(step)])


def forget_failing(tx: Connection, spot: Spot) -> None:
    tx.execute(delete(failing_steps).where(AT), {"spots": [spot]})


def has_failed_until(connection: Connection, until: datetime) -> bool:
    """Whether there is a step that has not failed since."""
    return bool(read_rows(connection, LONG_AGO, {"until": until}))


def forget_failed_until(tx: Connection, until: datetime) -> list[Spot]:
    """Steps that have not failed since; which they were."""
    return [(row.journey, row.step) for row in tx.execute(FORGOTTEN, {"until": until})]
