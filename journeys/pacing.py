"""How fast mails leave: each that is over the pace has its place in a later slot of time.

A pace of N in any stretch W is kept by counting in slots of W/24. However a stretch lies, it
touches at most 25 slots, and no 25 in a row ever hold more than N.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rekindle.settings import Cap
from store.tables import EPOCH

SLOTS = 24  # in a stretch
TOUCHED = SLOTS + 1  # by any stretch, at most
SHORTEST = timedelta(seconds=1)
FARTHEST = 100_000  # slots that are looked through; a place so far ahead is never


def slot_length(cap: Cap) -> timedelta:
    return max(cap.within / SLOTS, SHORTEST)


def slot_of(cap: Cap, at: datetime) -> int:
    """The number of the slot in which an instant lies."""
    return (at - EPOCH) // slot_length(cap)


def begins_at(cap: Cap, slot: int) -> datetime:
    return EPOCH + slot * slot_length(cap)


@dataclass
class Ledger:
    """The slots of one scope: how many have their place in each, and what is to be added."""

    cap: Cap
    taken: dict[int, int]
    added: dict[int, int] = field(default_factory=dict)
    full: tuple[int, int] = (0, 0)  # slots from and up to which were found full just now

    def place_from(self, at: datetime) -> datetime | None:
        """The first instant from `at` on at which one more fits; None if none ever does."""
        first = slot_of(self.cap, at)
        known_from, known_to = self.full
        slot = known_to if known_from <= first < known_to else first
        for ahead in range(FARTHEST if self.cap.count else 0):
            if self._has_room(slot + ahead):
                self.full = (first, slot + ahead)
                return max(at, begins_at(self.cap, slot + ahead))
        return None

    def take(self, at: datetime) -> None:
        slot = slot_of(self.cap, at)
        self.taken[slot] = self.taken.get(slot, 0) + 1
        self.added[slot] = self.added.get(slot, 0) + 1

    def give_back(self, at: datetime) -> None:
        """A place that nobody used."""
        slot = slot_of(self.cap, at)
        if self.taken.get(slot, 0) > 0:
            self.full = (0, 0)
            self.taken[slot] -= 1
            self.added[slot] = self.added.get(slot, 0) - 1

    def _has_room(self, slot: int) -> bool:
        return all(
            sum(self.taken.get(first + n, 0) for n in range(TOUCHED)) < self.cap.count
            for first in range(slot - SLOTS, slot + 1)
        )


def find_place(ledgers: Sequence[Ledger], at: datetime) -> datetime | None:
    """The first instant from `at` on that all of these allow, taken in each; None for never."""
    place = at
    while True:
        wanted = [ledger.place_from(place) for ledger in ledgers]
        known = [one for one in wanted if one is not None]
        if len(known) < len(wanted):
            return None
        if all(one == place for one in known):
            break
        place = max(known)
    for ledger in ledgers:
        ledger.take(place)
    return place


def still_holds(paced_at: datetime | None, caps: Sequence[Cap], now: datetime) -> bool:
    """Whether a place taken earlier is this one: it lasts as long as the shortest slot."""
    if paced_at is None:
        return False
    return paced_at <= now < paced_at + min(slot_length(cap) for cap in caps)
