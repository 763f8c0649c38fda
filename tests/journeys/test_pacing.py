"""However mails come, no stretch of time ever holds more of them than the pace allows."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from journeys.pacing import Ledger, find_place, still_holds
from rekindle.settings import Cap
from tests.journeys.builders import DAY, HOUR, MONDAY
from tests.journeys.strategies import unhurried

HOURLY = Cap(count=10, within=HOUR)


def most_in_a_stretch(places, within):
    return max(sum(at <= other < at + within for other in places) for at in places)


@unhurried
@given(st.lists(st.integers(0, 300), min_size=1, max_size=120), st.integers(1, 12))
def test_no_stretch_holds_more_than_the_pace(minutes, count):
    ledger = Ledger(Cap(count=count, within=HOUR), {})

    places = [find_place([ledger], MONDAY + timedelta(minutes=m)) for m in minutes]

    assert most_in_a_stretch(places, HOUR) <= count


@unhurried
@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_a_place_fits_every_pace_at_once(hours):
    daily = Ledger(Cap(count=30, within=DAY), {})
    hourly = Ledger(Cap(count=4, within=HOUR), {})

    places = [find_place([daily, hourly], MONDAY + timedelta(hours=h)) for h in hours]

    assert most_in_a_stretch(places, HOUR) <= 4
    assert most_in_a_stretch(places, DAY) <= 30


def test_what_fits_leaves_at_once_and_what_is_over_has_its_place_later():
    ledger = Ledger(HOURLY, {})

    places = [find_place([ledger], MONDAY) or MONDAY - DAY for _ in range(25)]

    assert places[:10] == [MONDAY] * 10
    assert all(MONDAY + HOUR <= at < MONDAY + 2 * HOUR for at in places[10:20])
    assert all(at >= MONDAY + 2 * HOUR for at in places[20:])


def test_a_pace_of_nothing_has_no_place():
    assert find_place([Ledger(Cap(count=0, within=HOUR), {})], MONDAY) is None


def test_a_place_that_was_slept_through_is_lost():
    paced_at = MONDAY + HOUR

    held = [still_holds(paced_at, [HOURLY], at) for at in (MONDAY, paced_at, paced_at + HOUR)]

    assert held == [False, True, False]
