"""Imports the generated history, then plays the last days forward the way real days pass."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time
from itertools import count
from typing import TypeVar

from rekindle.acting import act, find_sent
from rekindle.clock import FixedClock
from rekindle.demo.people import as_customer
from rekindle.demo.reactions import ComesBack, Reaction, react
from rekindle.demo.shop import DAY, Shop
from rekindle.process import Process
from store.intake import record_customers, record_events
from store.records import IncomingEvent
from workers.counts import Counts

LOOKS = (time(10), time(17))  # when the engine works, in UTC: outside of everybody's quiet hours
A_CHUNK = 1_000  # rows in one transaction: nobody holds the writer for long

Progress = Callable[[float, str], None]  # how far, 0 to 1, and with what
Row = TypeVar("Row")


def import_history(
    process: Process, shop: Shop, history: Sequence[IncomingEvent], progress: Progress
) -> int:
    """Store customers and past events as an import would; how many events were new."""
    services, now = process.services, process.services.clock.now()
    for customers in chunked([as_customer(person) for person in shop.people.values()]):
        with services.store.begin() as tx:
            record_customers(tx, customers, now=now)
    accepted = 0
    for done, events in enumerate(chunked(history)):
        progress(done * A_CHUNK / len(history), "events imported")
        with services.store.begin() as tx:
            accepted += record_events(tx, events, now=now, settings=services.settings).accepted
    progress(1, "events imported")
    return accepted


def chunked(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), A_CHUNK):
        yield rows[start : start + A_CHUNK]


def next_look(after: datetime) -> datetime:
    """When the engine looks next, strictly after `after`."""
    day = after.astimezone(UTC).date()
    looks = [datetime.combine(day + days * DAY, at, UTC) for days in (0, 1) for at in LOOKS]
    return min(look for look in looks if look > after)


class Player:
    """One play: the engine on one side, the people on the other, and time in between."""

    def __init__(self, process: Process, shop: Shop, clock: FixedClock) -> None:
        self.process = process
        self.shop = shop
        self.clock = clock
        self._planned: list[tuple[datetime, int, str, Reaction]] = []  # a heap
        self._numbers = count()

    def play(self, progress: Progress) -> Counts:
        """Let the last days pass; what the engine did in them."""
        total = Counts()
        while self.clock.at < self.shop.ends_at:
            before = self.clock.at
            until = min(next_look(before), self.shop.ends_at)
            self._people_act(until)
            self._world_moves(until)
            total += self.process.run_until_idle()
            self._people_read(before, until)
            left = (self.shop.ends_at - until) / (self.shop.played_days * DAY)
            progress(1 - left, f"{until:%d %B}: {total.sent} mails sent")
        return total

    def _people_act(self, until: datetime) -> None:
        while self._planned and self._planned[0][0] <= until:
            at, _, person, reaction = heapq.heappop(self._planned)
            self.clock.at = max(self.clock.at, at)
            if isinstance(reaction, ComesBack):
                self.shop.bring_back(self.shop.people[person], at)
            else:
                act(self.process.services, person, reaction)

    def _world_moves(self, now: datetime) -> None:
        self.clock.at = now
        services = self.process.services
        for events in chunked(self.shop.take_until(now)):
            with services.store.begin() as tx:
                record_events(tx, events, now=now, settings=services.settings)

    def _people_read(self, after: datetime, until: datetime) -> None:
        """Everybody finds their new mails and makes up their mind."""
        with self.process.services.store.read() as connection:
            sent = find_sent(connection, after, until)
        for person_id, mail in sent:
            person = self.shop.people[person_id]
            has_left = self.shop.has_left(person, until)
            for reaction in react(person, mail, self.shop.seed, has_left=has_left):
                planned = (reaction.at, next(self._numbers), person_id, reaction)
                heapq.heappush(self._planned, planned)
