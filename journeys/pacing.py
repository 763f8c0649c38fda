"""How fast mails leave: no stretch of time ever holds more of them than the pace allows.

Each that is over the pace has its place at a later instant, so that it need not ask again and
again. What has left is counted exactly to a short stretch, as if all of that had left last.
A place that was slept through is made up for as soon as the cap allows, before anybody new.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil

from rekindle.settings import Cap
from store.tables import EPOCH

COARSE = 24  # stretches in which what leaves under a cap is counted
FINEST = timedelta(seconds=10)  # evener would be a transaction for every mail
SHORTEST = timedelta(seconds=1)
AHEAD = timedelta(seconds=5)  # of this worker's clock, another's may be
INSTANT = timedelta(microseconds=1)  # as finely as instants are kept


@dataclass(frozen=True)
class Grain:
    """A short stretch of time, and how many of the mails that must wait have their places in it."""

    length: timedelta
    share: int

    def begins_at(self, at: datetime) -> datetime:
        return at - (at - EPOCH) % self.length


def at_once(cap: Cap) -> Grain:
    """As soon as may be, as many together as the cap allows."""
    return Grain(max(cap.within / COARSE, SHORTEST), cap.count)


def evenly(cap: Cap) -> Grain:
    """Spread over the whole stretch of the cap: ten an hour is one in six minutes."""
    grains = max(min(cap.count, cap.within // FINEST), 1)
    return Grain(cap.within / grains, ceil(cap.count / grains))


@dataclass
class Ledger:
    """What of one scope has left, and what has its place later: how many mails at which instant."""

    cap: Cap
    grain: Grain
    stored: Mapping[datetime, int]
    full: tuple[datetime, datetime] | None = None  # from and up to here no place is left
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.total = sum(self.stored.values())

    @cached_property
    def mails(self) -> dict[datetime, int]:
        return dict(self.stored)

    @cached_property
    def instants(self) -> list[datetime]:
        """Those of `mails`, in order."""
        return sorted(self.mails)

    @property
    def changed(self) -> dict[datetime, int]:
        """How many mails there are now at the instants at which there were more or fewer."""
        both = {*self.mails, *self.stored}
        now = {at: self.mails.get(at, 0) for at in both}
        return {at: mails for at, mails in now.items() if mails != self.stored.get(at, 0)}

    def place_from(self, at: datetime) -> datetime | None:
        """The first instant from `at` on at which one more fits; None if none ever does."""
        if not self.cap.count:
            return None
        known_from, known_to = self.full or (at, at)
        is_known = known_from <= at <= known_to
        place = known_to if is_known else at
        while (later := self._not_before(place)) > place:
            place = later
        if is_known:
            self.full = (known_from, place)
        return place

    def has_room(self, at: datetime) -> bool:
        """Whether one more may leave at `at`, after what has left in the stretch before."""
        has_ever = self.total < self.cap.count  # spares most from counting
        return has_ever or self._sum(self._counted(at)) < self.cap.count

    def plan(self, at: datetime) -> None:
        """One more has its place at `at`; places of one grain are counted together."""
        earlier = self._between(self.grain.begins_at(at), at)
        self._add(earlier[-1] if earlier else at, 1)

    def leave(self, at: datetime) -> None:
        """One more leaves at `at`, and with it, for all that is counted, its grain so far."""
        for earlier in self._between(self.grain.begins_at(at), at):
            mails = self.mails[earlier]
            self._add(earlier, -mails)
            self._add(at, mails)
        self._add(at, 1)

    def give_back(self, at: datetime) -> None:
        """A place that was not used at its instant, or is about to be."""
        begins_at = self.grain.begins_at(at)
        if together := self._between(begins_at, begins_at + self.grain.length):
            self._add(together[-1], -1)
            self.full = None

    def _not_before(self, at: datetime) -> datetime:
        """`at` if one more fits there, else an instant before which surely none does."""
        begins_at = self.grain.begins_at(at)
        ends_at = begins_at + self.grain.length
        if self._sum(self._between(begins_at, ends_at)) >= self.grain.share:
            return ends_at
        return at if self.has_room(at) else self._counted(at)[0] + self.cap.within

    def _counted(self, at: datetime) -> list[datetime]:
        """The stretch of the cap that ends at `at`, open at its beginning."""
        return self._between(at - self.cap.within + INSTANT, at + AHEAD)

    def _between(self, since: datetime, until: datetime) -> list[datetime]:
        return self.instants[bisect_left(self.instants, since) : bisect_left(self.instants, until)]

    def _sum(self, instants: Sequence[datetime]) -> int:
        return sum(self.mails[at] for at in instants)

    def _add(self, at: datetime, mails: int) -> None:
        self.total += mails
        if at not in self.mails:
            insort(self.instants, at)
        self.mails[at] = self.mails.get(at, 0) + mails
        if not self.mails[at]:
            del self.mails[at]
            self.instants.remove(at)


def take_place(ledgers: Sequence[Ledger], now: datetime, *, is_next: bool) -> datetime | None:
    """The first instant from `now` on that all of these allow, counted in each; None for never.

    One that is next had its place until now: it need not keep clear of those that come later.
    """
    may_leave = is_next and all(ledger.has_room(now) for ledger in ledgers)
    place = now if may_leave else _find_place(ledgers, now)
    if place is not None:
        for ledger in ledgers:
            ledger.leave(place) if place == now else ledger.plan(place)
    return place


def _find_place(ledgers: Sequence[Ledger], at: datetime) -> datetime | None:
    place = at
    while True:
        wanted = [ledger.place_from(place) for ledger in ledgers]
        known = [one for one in wanted if one is not None]
        if len(known) < len(wanted):
            return None
        if all(one == place for one in known):
            return place
        place = max(known)
