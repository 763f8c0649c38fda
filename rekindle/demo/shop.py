"""The generated world: who lives in it, what lies behind, and what is still going to happen."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rekindle.demo.life import Happening, as_event, live, live_again
from rekindle.demo.people import YEAR, Person, generate_people
from store.records import IncomingEvent

PLAYED_DAYS = 60
DAY = timedelta(days=1)
SECOND_LIFE = 100_000  # ordinals of events that no first life reaches


@dataclass
class Shop:
    """People by id; `ahead` is a heap of what they will do, whoever writes to them."""

    people: Mapping[str, Person]
    began_at: datetime  # of the year
    seed: int
    played_days: float = PLAYED_DAYS  # the last ones of the year
    ahead: list[tuple[datetime, str, IncomingEvent]] = field(default_factory=list)
    back: set[str] = field(default_factory=set)  # who had left and came back

    @property
    def ends_at(self) -> datetime:
        return self.began_at + YEAR * DAY

    @property
    def plays_from(self) -> datetime:
        """Everything before is history, everything after is played forward."""
        return self.ends_at - self.played_days * DAY

    def has_left(self, person: Person, at: datetime) -> bool:
        """The truth, which the engine is not told."""
        return not person.is_here_on(self._day(at)) and person.id not in self.back

    def expect(self, person: Person, happenings: Sequence[Happening], first_ordinal: int) -> None:
        """Let `happenings` come to pass when their time comes."""
        for ordinal, one in enumerate(happenings, start=first_ordinal):
            event = as_event(person, one, ordinal, self.began_at, is_history=False)
            heapq.heappush(self.ahead, (event.occurred_at, event.message_id, event))

    def bring_back(self, person: Person, at: datetime) -> None:
        """Somebody who had left orders at `at`, and goes on in their old rhythm."""
        self.back.add(person.id)
        day = self._day(at)
        self.expect(person, live_again(person, day, self.seed), SECOND_LIFE + int(day) * 100)

    def take_until(self, instant: datetime) -> list[IncomingEvent]:
        """What has come to pass by `instant`, in order; each only once."""
        taken = []
        while self.ahead and self.ahead[0][0] <= instant:
            taken.append(heapq.heappop(self.ahead)[2])
        return taken

    def _day(self, at: datetime) -> float:
        return (at - self.began_at) / DAY


def make_shop(
    count: int, ends_at: datetime, seed: int, played_days: float = PLAYED_DAYS
) -> tuple[Shop, list[IncomingEvent]]:
    """A shop whose year ends at `ends_at`, and the part of its events that lies behind."""
    people = generate_people(count, seed)
    shop = Shop({one.id: one for one in people}, ends_at - YEAR * DAY, seed, played_days)
    history: list[IncomingEvent] = []
    for person in people:
        happenings = live(person, seed)
        past = [one for one in happenings if one.day < YEAR - played_days]
        history += [
            as_event(person, one, ordinal, shop.began_at, is_history=True)
            for ordinal, one in enumerate(past)
        ]
        shop.expect(person, happenings[len(past) :], len(past))
    return shop, sorted(history, key=lambda one: (one.occurred_at, one.message_id))
