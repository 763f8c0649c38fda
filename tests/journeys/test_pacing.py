"""However mails come and are looked at, no stretch of time holds more than the pace allows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from journeys.pacing import Paced, at_once, evenly, take_place
from rekindle.settings import Cap
from tests.journeys.builders import DAY, HOUR, MONDAY
from tests.journeys.strategies import unhurried

MINUTE = timedelta(minutes=1)
HOURLY = Cap(count=10, within=HOUR)


@dataclass
class Queue:
    """Mails that wait for their places, and those that have left, as the workers treat them."""

    scopes: list[Paced]
    waiting: list[datetime] = field(default_factory=list)
    left: list[datetime] = field(default_factory=list)

    def look(self, now: datetime, fresh: int = 0, ready: Sequence[datetime] = ()) -> int:
        """Those whose place has come, then those that are ready since then, then new ones; how many
        leave.
        """
        before = len(self.left)
        due = [place for place in self.waiting if place <= now]
        self.waiting = [place for place in self.waiting if place > now]
        for place in due:
            for scope in self.scopes:
                scope.left.give_back(place)
        for place in due:
            self._ask([], place, now)
        for ready_at in [*ready, *[now] * fresh]:
            self._ask(self.scopes, ready_at, now)
        return len(self.left) - before

    def _ask(self, unplaced: list[Paced], ready_at: datetime, now: datetime) -> None:
        place = take_place(self.scopes, unplaced, ready_at, now)
        assert place is not None
        (self.left if place == now else self.waiting).append(place)

    def is_full(self, now: datetime) -> bool:
        """Whether as many have left lately as ever may."""
        return not all(scope.left.has_room(now) for scope in self.scopes)


def coarse(cap: Cap) -> Paced:
    return Paced.load(cap, at_once(cap))


def even(cap: Cap) -> Paced:
    return Paced.load(cap, evenly(cap))


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
    nothing = [coarse(Cap(count=0, within=HOUR))]

    assert take_place(nothing, nothing, MONDAY, MONDAY) is None


def test_a_clock_that_is_a_little_behind_sees_what_another_has_sent():
    queue = Queue([coarse(HOURLY)])

    queue.look(MONDAY + timedelta(seconds=1), 10)

    assert queue.look(MONDAY, 10) == 0


def play_awake(queue: Queue, ready: list[datetime], until: datetime) -> None:
    """Look whenever there is anything to see."""
    todo = sorted(ready)
    while (now := min([*todo[:1], *queue.waiting], default=until)) < until:
        queue.look(now, ready=[at for at in todo if at <= now])
        todo = [at for at in todo if at > now]
    queue.look(until, ready=[at for at in todo if at <= until])


minutes = st.integers(0, 600).map(lambda number: MONDAY + number * MINUTE)
looks_at = st.sets(minutes, min_size=1, max_size=8)
mails = st.lists(st.tuples(minutes, st.integers(1, 30)), min_size=1, max_size=6)


@unhurried
@given(mails, looks_at, st.integers(1, 20), st.integers(1, 60), st.booleans())
def test_who_looks_now_and_then_sends_what_somebody_awake_has_sent_within_the_pace(
    mails, looks, hourly, daily, is_even
):
    def scopes() -> list[Paced]:
        cap = Cap(count=hourly, within=HOUR)
        return [even(cap) if is_even else coarse(cap), coarse(Cap(count=daily, within=DAY))]

    ready = sorted(at for at, count in mails for _ in range(count))
    seldom = Queue(scopes())

    asked = 0
    for now in sorted(looks):
        fresh = [at for at in ready[asked:] if at <= now]
        asked += len(fresh)
        seldom.look(now, ready=fresh)
        awake = Queue(scopes())
        play_awake(awake, ready[:asked], now)

        assert len(seldom.left) <= len(awake.left)
        assert len(seldom.left) == len(awake.left) or seldom.is_full(now)
    assert most_in_a_stretch(seldom.left, HOUR) <= hourly
    assert most_in_a_stretch(seldom.left, DAY) <= daily
