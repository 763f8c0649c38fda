"""What people and programs may do with events that have no customer, in bulk."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rekindle.customers import find_known
from rekindle.services import Services
from store.intake import attach_parked, make_for_parked
from store.parked import Which, drop_parked, find_parked
from store.records import EventId, Identity

LATELY = timedelta(days=7)  # over which growth is told
A_BATCH = 1_000  # events in one transaction
Page = Mapping[EventId, Sequence[Identity]]


def attach(services: Services, which: Which, external_id: str) -> int:
    """Give the parked events that are meant to one customer; how many. Raises NotFound."""

    def work(tx: Connection, page: Page, now: datetime) -> int:
        return attach_parked(tx, page, find_known(tx, external_id), now)

    with services.store.read() as connection:
        find_known(connection, external_id)
    return _in_batches(services, which, work)


def make(services: Services, which: Which) -> tuple[int, int]:
    """Make customers for whom events wait; how many, and how many events remained that name nobody
    who could be made.
    """

    def work(tx: Connection, page: Page, now: datetime) -> int:
        return make_for_parked(tx, page.values(), now)

    made = _in_batches(services, which, work)
    left = 0
    start: EventId | None = EventId(0)
    while start is not None:
        with services.store.read() as connection:
            page, start = find_parked(connection, which, start, A_BATCH)
        left += len(page)
    return made, left


def drop(services: Services, which: Which) -> int:
    """Forget the parked events that are meant; how many."""

    def work(tx: Connection, page: Page, _now: datetime) -> int:
        return drop_parked(tx, list(page))

    return _in_batches(services, which, work)


def _in_batches(
    services: Services, which: Which, work: Callable[[Connection, Page, datetime], int]
) -> int:
    """One transaction a page: what was done stays done, and doing it again does the rest."""
    done = 0
    start: EventId | None = EventId(0)
    while start is not None:
        with services.store.begin() as tx:
            page, start = find_parked(tx, which, start, A_BATCH)
            if page:
                done += work(tx, page, services.clock.now())
    services.wake.changed()
    return done
