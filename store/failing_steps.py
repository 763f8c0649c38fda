"""Steps whose mails could not be written lately: what is counted of each."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, tuple_

from store.bulk import read_rows
from store.records import CustomerId
from store.tables import failing_steps
from store.upserts import insert_or_replace

Spot = tuple[str, str]  # a journey and one of its steps

SPOTS = select(failing_steps.c.journey, failing_steps.c.step)
AT = tuple_(failing_steps.c.journey, failing_steps.c.step).in_(bindparam("spots", expanding=True))
ROWS = select(failing_steps).where(AT).order_by(*failing_steps.primary_key)
FORGOTTEN = (
    delete(failing_steps)
    .where(failing_steps.c.failed_at <= bindparam("until"))
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
    def spot(self) -> Spot:
        return self.journey, self.step


def find_failing(connection: Connection) -> frozenset[Spot]:
    """All there are: usually none."""
    return frozenset(read_rows(connection, SPOTS))


def lock_failing(tx: Connection, spots: Collection[Spot]) -> dict[Spot, FailingStep]:
    """Those of `spots` that are counted already; nobody else counts meanwhile."""
    rows = tx.execute(ROWS.with_for_update(), {"spots": sorted(spots)})
    return {(row.journey, row.step): FailingStep(*row) for row in rows}


def save_failing(tx: Connection, step: FailingStep) -> None:
    tx.execute(insert_or_replace(tx, failing_steps), [vars(step)])


def forget_failing(tx: Connection, spot: Spot) -> None:
    tx.execute(delete(failing_steps).where(AT), {"spots": [spot]})


def forget_failed_until(tx: Connection, until: datetime) -> list[Spot]:
    """Steps that have not failed since; which they were."""
    return [(row.journey, row.step) for row in tx.execute(FORGOTTEN, {"until": until})]
