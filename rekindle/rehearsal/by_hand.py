"""Does again what was done by hand: to the simulated enrollment where it was done to a real one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from rekindle.rehearsal.matching import Mails, Record
from rekindle.workspace.library import Library
from store.enrollments import load_standing
from store.interventions import Intervention
from store.merging import merge_customers
from store.records import CustomerId, EnrollmentId
from store.tables import customers
from workers.changes import take_out
from workers.pausing import resume_journey, stop_journey


def do_again(
    tx: Connection,
    library: Library,
    done: Intervention,
    record: Record,
    mails: Mails,
    now: datetime,
) -> None:
    """What concerns a journey, enrollment or customer that is not there comes to nothing."""
    match done.kind:
        case "stopped" if done.said["journey"] in library.journeys:
            stop_journey(tx, library, done.said["journey"], done.said["why"], now)
        case "resumed" if done.said["journey"] in library.journeys:
            resume_journey(tx, library, done.said["journey"], now)
        case "taken_out":
            _take_out(tx, done.said, record, mails, now)
        case "merged":
            _merge(tx, CustomerId(done.said["loser"]), CustomerId(done.said["survivor"]), now)
        case _:  # what was applied comes as a text
            pass


def _take_out(
    tx: Connection, said: Mapping[str, Any], record: Record, mails: Mails, now: datetime
) -> None:
    trips = [record.trips[id_] for id_ in said["enrollments"] if id_ in record.trips]
    ids = [EnrollmentId(mails.by_trip[trip]) for trip in trips if trip in mails.by_trip]
    take_out(tx, list(load_standing(tx, ids).values()), now)


def _merge(tx: Connection, loser: CustomerId, survivor: CustomerId, now: datetime) -> None:
    both = customers.c.id.in_((loser, survivor))
    if tx.scalar(select(func.count()).select_from(customers).where(both)) == 2:
        merge_customers(tx, {loser: survivor}, now)
