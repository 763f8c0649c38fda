"""Events of many requests in one commit: what arrives while one runs shares the next."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from rekindle.clock import seconds_running
from rekindle.services import Services
from rekindle.settings import Settings
from store.intake import record_events
from store.records import IncomingEvent, Receipt, Reject
from store.rejects import note_rejects
from web.requests import write

REMEMBERED = 1.0  # seconds: how long settings that were just applied may be unknown
# in one commit, so that nobody else waits long for the writer; a larger batch has one of its own,
# so that it is stored whole or not at all
MOST_EVENTS = 500
MOST_EVENTS_A_CALL = 2_500  # databases take so many values in a statement, and no more
# what one of several events may cause; anything else, such as a database that is away, all meet
OF_CONTENT = (SQLAlchemyError, TypeError, ValueError)


@dataclass(frozen=True)
class Parcel:
    """What one request brought."""

    source: str  # who sent it, for its rejects
    events: tuple[IncomingEvent, ...]
    rejects: tuple[Reject, ...]
    received_at: datetime


Outcome = Mapping[str, int]  # of what a request brought: how much waits for an owner, by reason
Waiting = tuple[Parcel, asyncio.Future[Outcome]]


@dataclass
class Collector:
    """Takes the events of requests and stores them together, in their order of arrival."""

    services: Services
    _settings: tuple[Settings, float] | None = None  # and until when they will do
    _waiting: list[Waiting] = field(default_factory=list)
    _storing: asyncio.Task[None] | None = None

    def settings(self) -> Settings:
        """Those in force, or that were a moment ago: not every request asks the database."""
        running = seconds_running()
        if self._settings is None or running >= self._settings[1]:
            self._settings = (self.services.settings, running + REMEMBERED)
        return self._settings[0]

    async def take(self, parcel: Parcel) -> Outcome:
        """Return once it is durable how many of its events wait for an owner, by reason. Raises
        what kept it from being stored.
        """
        stored: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((parcel, stored))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_on())
        return await stored

    async def _store_on(self) -> None:
        try:
            while self._waiting:
                await self._store(self._next())
        finally:
            self._storing = None

    def _next(self) -> list[Waiting]:
        """Those that came first, up to a commit's worth."""
        count, events = 0, 0
        for parcel, _ in self._waiting:
            events += len(parcel.events)
            if count and events > MOST_EVENTS:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def _write(self, settings: Settings, parcels: Sequence[Parcel], tx: Connection) -> Receipt:
        return store_together(tx, settings, parcels, self.services.clock.now())

    async def _store(self, taken: Sequence[Waiting]) -> None:
        """Together; where that fails, each on its own tells which of them it was."""
        try:
            work = partial(self._write, self.settings(), [parcel for parcel, _ in taken])
            receipt = await write(self.services, work)
        except Exception as error:
            if len(taken) > 1 and isinstance(error, OF_CONTENT):
                for one in taken:
                    await self._store([one])
            else:
                _answer(taken, error)
            return
        _answer(taken, waiting=receipt.waiting)
        if receipt.customer_ids:
            self.services.wake.changed()


def _answer(
    taken: Sequence[Waiting],
    error: Exception | None = None,
    *,
    waiting: Mapping[str, str] = MappingProxyType({}),
) -> None:
    for parcel, stored in taken:
        if stored.done():  # its sender went away
            continue
        if error is None:
            ids = {event.message_id for event in parcel.events} if waiting else ()
            stored.set_result(Counter(waiting[id_] for id_ in ids if id_ in waiting))
        else:
            stored.set_exception(error)


def store_together(
    tx: Connection, settings: Settings, parcels: Sequence[Parcel], now: datetime
) -> Receipt:
    """All of them in few statements of each kind; known from `now`, which is in the transaction."""
    for parcel in parcels:
        note_rejects(tx, parcel.source, parcel.rejects, now)
    events = [_by_now(event, parcel, now) for parcel in parcels for event in parcel.events]
    receipts = [
        record_events(tx, events[begin : begin + MOST_EVENTS_A_CALL], now=now, settings=settings)
        for begin in range(0, len(events), MOST_EVENTS_A_CALL)
    ]
    return Receipt(
        accepted=sum(receipt.accepted for receipt in receipts),
        duplicates=sum(receipt.duplicates for receipt in receipts),
        customer_ids=tuple(sorted({id_ for receipt in receipts for id_ in receipt.customer_ids})),
        waiting={id_: why for receipt in receipts for id_, why in receipt.waiting.items()},
    )


def _by_now(event: IncomingEvent, parcel: Parcel, now: datetime) -> IncomingEvent:
    """What had happened when its request came has happened now, though the clock was set back."""
    if now < event.occurred_at <= parcel.received_at:
        return event._replace(occurred_at=now)
    return event
