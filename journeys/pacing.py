"""How fast mails leave: no stretch of time ever holds more of them than the pace allows.

Each that is over the pace has its place at a later instant, so that it need not ask again and
again. What has left is counted exactly to a short stretch, as if all of that had left last.
A place that was slept through is made up for as soon as the cap allows, before anybody new: so
whoever looks now and then sends what somebody who looks all the time would have sent, but for what
would be more in any one stretch than the pace allows.
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
NOTHING: Mapping[datetime, int] = {}
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


@dataclass(frozen=True)
class Paced:
    """One scope in two ledgers, alike as long as somebody looks all the time.

    In `places` each mail is where it would have left had somebody looked all the time; in `left` it
    is where it did, or will: that keeps to the cap alone, however evenly places are given.
    """

    places: Ledger
    left: Ledger

    @classmethod
    def load(
        cls,
        cap: Cap,
        grain: Grain,
        places: Mapping[datetime, int] = NOTHING,
        left: Mapping[datetime, int] = NOTHING,
    ) -> "Paced":
        return cls(Ledger(cap, grain, places), Ledger(cap, Grain(grain.length, cap.count), left))


def take_place(
    scopes: Sequence[Paced], unplaced: Sequence[Paced], ready_at: datetime, now: datetime
) -> datetime | None:
    """When a mail leaves, `now` or later, counted in all of these; None for never.

    It is ready since `ready_at`, and of the scopes has no place yet in those that are `unplaced`.
    Where its place has passed it leaves now, unless as many as may have left lately.
    """
    place = _find_place([scope.places for scope in unplaced], ready_at)
    if place is None:
        return None
    for scope in unplaced:
        _count(scope.places, place, now)
    is_free = place <= now and all(scope.left.has_room(now) for scope in scopes)
    leaves_at = now if is_free else _find_place([one.left for one in scopes], max(place, now))
    if leaves_at is not None:
        for scope in scopes:
            _count(scope.left, leaves_at, now)
    return leaves_at


def _count(ledger: Ledger, at: datetime, now: datetime) -> None:
    ledger.leave(at) if at <= now else ledger.plan(at)


def _find_place(ledgers: Sequence[Ledger], at: datetime) -> datetime | None:
    """The first instant from `at` on that all of these allow; None if one of them never does."""
    place = at
    while True:
        wanted = [ledger.place_from(place) for ledger in ledgers]
        known = [instant for instant in wanted if instant is not None]
        if len(known) < len(wanted):
            return None
        if all(instant == place for instant in known):
            return place
        place = max(known)
