"""However mails come and are looked at, no stretch of time holds more than the pace allows."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from journeys.pacing import Ledger, at_once, evenly, take_place
from rekindle.settings import Cap
from tests.journeys.builders import DAY, HOUR, MONDAY
from tests.journeys.strategies import unhurried

MINUTE = timedelta(minutes=1)
HOURLY = Cap(count=10, within=HOUR)


@dataclass
class Queue:
    """Mails that wait for their places, and those that have left, as the workers treat them."""

    ledgers: list[Ledger]
    waiting: list[datetime] = field(default_factory=list)
    left: list[datetime] = field(default_factory=list)

    def look(self, now: datetime, fresh: int = 0) -> int:
        """Those whose place has come, then new ones; how many leave."""
        before = len(self.left)
        due = [place for place in self.waiting if place <= now]
        self.waiting = [place for place in self.waiting if place > now]
        for place in due:
            for ledger in self.ledgers:
                ledger.give_back(place)
        for is_next in [True] * len(due) + [False] * fresh:
            self._ask(now, is_next=is_next)
        return len(self.left) - before

    def _ask(self, now: datetime, *, is_next: bool) -> None:
        place = take_place(self.ledgers, now, is_next=is_next)
        assert place is not None
        (self.left if place == now else self.waiting).append(place)


def coarse(cap: Cap) -> Ledger:
    return Ledger(cap, at_once(cap), {})


def even(cap: Cap) -> Ledger:
    return Ledger(cap, evenly(cap), {})


def most_in_a_stretch(instants: list[datetime], within: timedelta) -> int:
    return max((sum(at - within < one <= at for one in instants) for at in instants), default=0)


looks = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 6)), min_size=1, max_size=40)


@unhurried
@given(looks, st.integers(1, 12), st.integers(1, 40), st.booleans())
def test_no_stretch_holds_more_than_any_pace(steps, hourly, daily, is_even):
    first = Cap(count=hourly, within=HOUR)
    queue = Queue([even(first) if is_even else coarse(first), coarse(Cap(count=daily, within=DAY))])

    now = MONDAY
    for minutes, fresh in steps:
        now += timedelta(minutes=minutes)
        queue.look(now, fresh)

    assert most_in_a_stretch(queue.left, HOUR) <= hourly
    assert most_in_a_stretch(queue.left, DAY) <= daily


@unhurried
@given(looks, st.integers(1, 12), st.booleans())
def test_everybody_leaves_in_the_end(steps, count, is_even):
    cap = Cap(count=count, within=HOUR)
    queue = Queue([even(cap) if is_even else coarse(cap)])

    now = MONDAY
    for minutes, fresh in steps:
        now += timedelta(minutes=minutes)
        queue.look(now, fresh)
    while queue.waiting:
        now = min(queue.waiting)
        queue.look(now)

    assert len(queue.left) == sum(fresh for _, fresh in steps)
    assert now <= MONDAY + 40 * 2 * HOUR + len(queue.left) * 2 * HOUR / count


def test_what_fits_leaves_at_once_and_what_is_over_has_its_place_later():
    queue = Queue([coarse(HOURLY)])

    queue.look(MONDAY, 25)

    assert queue.left == [MONDAY] * 10
    assert queue.waiting == [MONDAY + HOUR] * 10 + [MONDAY + 2 * HOUR] * 5


def test_what_comes_evenly_comes_one_by_one():
    queue = Queue([even(HOURLY)])

    queue.look(MONDAY, 25)

    assert queue.left == [MONDAY]
    assert queue.waiting == [MONDAY + 6 * MINUTE * n for n in range(1, 25)]


def test_many_come_a_few_in_each_ten_seconds():
    queue = Queue([even(Cap(count=5000, within=HOUR))])

    queue.look(MONDAY, 5000)

    assert len(queue.left) <= 14
    assert max(queue.waiting) <= MONDAY + HOUR
    assert most_in_a_stretch(queue.waiting, 10 * MINUTE) <= 5000 / 6 + 14


def test_who_looks_seldom_makes_up_for_places_that_were_slept_through():
    queue = Queue([even(HOURLY)])

    queue.look(MONDAY, 36)
    left = [queue.look(MONDAY + n * HOUR) for n in range(1, 5)]

    assert left == [10, 10, 10, 5]


def test_who_waited_goes_before_who_is_new():
    queue = Queue([even(Cap(count=2, within=HOUR))])

    queue.look(MONDAY, 3)
    queue.look(MONDAY + 65 * MINUTE, 1)

    assert len(queue.left) == 3
    assert queue.waiting == [MONDAY + 125 * MINUTE]


def test_a_pace_of_nothing_has_no_place():
    assert take_place([coarse(Cap(count=0, within=HOUR))], MONDAY, is_next=False) is None


def test_a_clock_that_is_a_little_behind_sees_what_another_has_sent():
    queue = Queue([coarse(HOURLY)])

    queue.look(MONDAY + timedelta(seconds=1), 10)

    assert queue.look(MONDAY, 10) == 0
