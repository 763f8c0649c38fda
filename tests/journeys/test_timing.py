from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from journeys.definition import Wait
from journeys.timing import next_open, quiet_until, wait_over_at, zone_of
from rekindle.settings import QuietHours, parse_hours
from tests.journeys import strategies
from tests.journeys.builders import HOUR, MINUTE

BERLIN = ZoneInfo("Europe/Berlin")
RIYADH = ZoneInfo("Asia/Riyadh")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def hours(written):
    return QuietHours.model_validate(parse_hours(written)) if written else None


def at(written):
    """An instant, written with its offset."""
    return datetime.fromisoformat(written)


def shown(instant, zone):
    """What clocks there show, and their offset."""
    return instant.astimezone(zone).isoformat(" ", "minutes")


# --- waits ----------------------------------------------------------------


def over(arrived_at, zone, **wait):
    return shown(wait_over_at(Wait.model_validate(wait), at(arrived_at), zone), zone)


def test_a_wait_without_a_window_lasts_its_length_to_the_microsecond():
    arrived_at = at("2026-03-02T09:00:00.123456+00:00")

    over_at = wait_over_at(Wait.model_validate({"wait": "90 minutes"}), arrived_at, BERLIN)

    assert over_at == arrived_at + 1.5 * HOUR


def test_a_day_is_24_hours_also_when_clocks_change():
    assert over("2026-03-28T10:00+01:00", BERLIN, wait="1 day") == "2026-03-29 11:00+02:00"


@pytest.mark.parametrize(
    ("arrived_at", "over_at"),
    [
        ("2026-03-02T07:00+01:00", "2026-03-02 10:00+01:00"),  # inside the hours: at once
        ("2026-03-02T02:00+01:00", "2026-03-02 09:00+01:00"),  # too early: when they begin
        ("2026-03-02T06:00+01:00", "2026-03-02 09:00+01:00"),  # the beginning is inside
        ("2026-03-02T16:00+01:00", "2026-03-03 09:00+01:00"),  # the end is not
        ("2026-03-02T23:00+01:00", "2026-03-03 09:00+01:00"),
    ],
)
def test_a_wait_ends_in_the_hours_of_the_customers_day(arrived_at, over_at):
    assert over(arrived_at, BERLIN, wait="3 hours", between="09:00-19:00") == over_at


@pytest.mark.parametrize(
    ("window", "over_at"),
    [
        ({"on": ["mon"]}, "2026-03-09 00:00+01:00"),
        ({"on": ["sat"]}, "2026-03-07 10:00+01:00"),
        ({"on": ["mon", "tue"], "between": "09:00-19:00"}, "2026-03-09 09:00+01:00"),
        ({"on": ["sat"], "between": "08:00-09:00"}, "2026-03-14 08:00+01:00"),
        ({"on": list(WEEKDAYS)}, "2026-03-07 10:00+01:00"),
    ],
)
def test_a_wait_that_is_over_on_a_saturday_goes_on_on_its_weekdays(window, over_at):
    assert over("2026-03-06T10:00+01:00", BERLIN, wait="1 day", **window) == over_at


@pytest.mark.parametrize(
    ("now", "opens_at"),
    [
        ("2026-03-06T21:00+01:00", "2026-03-06 21:00+01:00"),  # Friday evening
        ("2026-03-07T01:30+01:00", "2026-03-07 01:30+01:00"),  # still Friday's night
        ("2026-03-07T02:00+01:00", "2026-03-13 20:00+01:00"),  # over: next Friday
        ("2026-03-06T01:30+01:00", "2026-03-06 20:00+01:00"),  # Thursday's night does not count
    ],
)
def test_hours_past_midnight_belong_to_the_day_on_which_they_begin(now, opens_at):
    assert shown(next_open(at(now), hours("20:00-02:00"), ("fri",), BERLIN), BERLIN) == opens_at


@pytest.mark.parametrize("written", ["00:00-24:00", "09:00-09:00"])
def test_hours_that_end_where_they_begin_are_the_whole_day(written):
    now = at("2026-03-02T03:00+01:00")

    assert next_open(now, hours(written), (), BERLIN) == now


def test_hours_are_those_of_the_customer_not_ours():
    nine = at("2026-03-02T09:00+00:00")

    opens_at = {
        name: shown(next_open(nine, hours("09:00-19:00"), (), ZoneInfo(name)), UTC)
        for name in ("Europe/London", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Auckland")
    }

    assert opens_at == {
        "Europe/London": "2026-03-02 09:00+00:00",
        "Asia/Tokyo": "2026-03-02 09:00+00:00",
        "America/Los_Angeles": "2026-03-02 17:00+00:00",
        "Pacific/Auckland": "2026-03-02 20:00+00:00",
    }


# --- clocks that jump -----------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "now", "written", "opens_at"),
    [
        # clocks skip 02:00-03:00
        ("Europe/Berlin", "2026-03-28T22:00Z", "02:30-05:00", "2026-03-29 03:00+02:00"),
        ("Europe/Berlin", "2026-03-28T22:00Z", "02:00-05:00", "2026-03-29 03:00+02:00"),
        ("Europe/Berlin", "2026-03-28T22:00Z", "03:00-05:00", "2026-03-29 03:00+02:00"),
        ("Europe/Berlin", "2026-03-28T22:00Z", "02:15-02:45", "2026-03-30 02:15+02:00"),
        ("Europe/Berlin", "2026-03-28T22:00Z", "02:00-03:00", "2026-03-30 02:00+02:00"),
        # clocks show 02:00-03:00 twice
        ("Europe/Berlin", "2026-10-24T20:00Z", "02:30-05:00", "2026-10-25 02:30+02:00"),
        ("Europe/Berlin", "2026-10-25T00:40Z", "01:00-02:30", "2026-10-25 02:00+01:00"),
        ("Europe/Berlin", "2026-10-25T01:10Z", "02:30-05:00", "2026-10-25 02:30+01:00"),
        ("Europe/Berlin", "2026-10-25T02:10Z", "02:30-02:45", "2026-10-26 02:30+01:00"),
        # half an hour only: 02:00-02:30 skipped, 01:30-02:00 twice
        ("Australia/Lord_Howe", "2026-10-03T14:00Z", "02:15-04:00", "2026-10-04 02:30+11:00"),
        ("Australia/Lord_Howe", "2026-10-03T14:00Z", "02:00-02:30", "2026-10-05 02:00+11:00"),
        ("Australia/Lord_Howe", "2026-04-04T12:00Z", "01:45-03:00", "2026-04-05 01:45+11:00"),
        ("Australia/Lord_Howe", "2026-04-04T14:50Z", "01:00-01:45", "2026-04-05 01:30+10:30"),
        # Friday 30 December 2011 never was
        ("Pacific/Apia", "2011-12-30T05:00Z", "09:00-17:00", "2011-12-31 09:00+14:00"),
        ("Pacific/Apia", "2011-12-30T05:00Z", "00:00-06:00", "2011-12-31 00:00+14:00"),
        ("Pacific/Apia", "2011-12-30T05:00Z", "22:00-06:00", "2011-12-29 22:00-10:00"),
        # clocks skip the hour after midnight, and show the one before it twice
        ("America/Sao_Paulo", "2018-11-03T12:00Z", "00:00-06:00", "2018-11-04 01:00-02:00"),
        ("America/Sao_Paulo", "2018-11-03T12:00Z", "00:15-00:45", "2018-11-05 00:15-02:00"),
        ("America/Sao_Paulo", "2018-11-03T12:00Z", "23:00-00:30", "2018-11-03 23:00-03:00"),
        ("America/Sao_Paulo", "2019-02-17T01:50Z", "23:30-23:45", "2019-02-16 23:30-03:00"),
        # the same on a Tuesday, from half past three to half past four
        ("Asia/Tehran", "2022-03-21T12:00Z", "00:30-08:00", "2022-03-22 01:00+04:30"),
        ("Asia/Tehran", "2022-09-21T19:15Z", "23:30-23:40", "2022-09-21 23:30+03:30"),
        ("Asia/Tehran", "2023-03-21T12:00Z", "00:30-08:00", "2023-03-22 00:30+03:30"),
        # midnight itself comes twice, because clocks go back at one minute past
        ("America/St_Johns", "2010-11-07T02:30:30Z", "23:30-23:40", "2010-11-06 23:30-03:30"),
    ],
)
def test_hours_open_when_clocks_first_show_them_also_where_clocks_jump(
    zone, now, written, opens_at
):
    there = ZoneInfo(zone)

    assert shown(next_open(at(now), hours(written), (), there), there) == opens_at


@pytest.mark.parametrize(
    ("zone", "now", "weekday", "opens_at"),
    [
        ("America/Sao_Paulo", "2018-11-03T12:00Z", "sun", "2018-11-04 01:00-02:00"),
        ("Pacific/Apia", "2011-12-29T12:00Z", "fri", "2012-01-06 00:00+14:00"),
        ("Pacific/Apia", "2011-12-29T12:00Z", "sat", "2011-12-31 00:00+14:00"),
        ("Asia/Tehran", "2022-03-20T12:00Z", "tue", "2022-03-22 01:00+04:30"),
        ("Europe/Berlin", "2026-03-28T12:00Z", "sun", "2026-03-29 00:00+01:00"),
    ],
)
def test_a_weekday_begins_with_its_first_instant_there(zone, now, weekday, opens_at):
    there = ZoneInfo(zone)

    assert shown(next_open(at(now), None, (weekday,), there), there) == opens_at


def test_a_weekly_hour_that_clocks_skip_opens_a_week_later():
    just_over = at("2026-03-22T02:00Z")

    opens_at = next_open(just_over, hours("02:00-03:00"), ("sun",), BERLIN)

    assert shown(opens_at, BERLIN) == "2026-04-05 02:00+02:00"


# --- quiet hours ----------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-02T20:59:59+03:00", None),
        ("2026-03-02T21:00+03:00", "2026-03-03 08:00+03:00"),
        ("2026-03-02T23:30+03:00", "2026-03-03 08:00+03:00"),
        ("2026-03-03T00:00+03:00", "2026-03-03 08:00+03:00"),
        ("2026-03-03T07:59:59+03:00", "2026-03-03 08:00+03:00"),
        ("2026-03-03T08:00+03:00", None),
    ],
)
def test_quiet_hours_pass_midnight_and_end_in_the_morning(now, until):
    ends_at = quiet_until(at(now), hours("21:00-08:00"), RIYADH)

    assert (ends_at and shown(ends_at, RIYADH)) == until


@pytest.mark.parametrize(
    ("now", "until"),
    [("2026-03-02T12:59+03:00", None), ("2026-03-02T13:00+03:00", "2026-03-02 15:00+03:00")],
)
def test_quiet_hours_may_lie_within_one_day(now, until):
    ends_at = quiet_until(at(now), hours("13:00-15:00"), RIYADH)

    assert (ends_at and shown(ends_at, RIYADH)) == until


@pytest.mark.parametrize("written", [None, "08:00-08:00"])
def test_without_quiet_hours_it_is_never_quiet(written):
    assert quiet_until(at("2026-03-02T03:00+03:00"), hours(written), RIYADH) is None


@pytest.mark.parametrize(
    ("zone", "now", "written", "until"),
    [
        ("Europe/Berlin", "2026-03-29T00:30Z", "21:00-02:30", "2026-03-29 03:00+02:00"),
        ("Europe/Berlin", "2026-10-24T23:30Z", "21:00-02:30", "2026-10-25 02:30+02:00"),
        ("Europe/Berlin", "2026-10-25T01:10Z", "21:00-02:30", "2026-10-25 02:30+01:00"),
        ("Europe/Berlin", "2026-10-24T22:30Z", "21:00-08:00", "2026-10-25 08:00+01:00"),
        ("Pacific/Apia", "2011-12-30T09:00Z", "21:00-08:00", "2011-12-31 08:00+14:00"),
        ("America/Sao_Paulo", "2018-11-04T02:30Z", "21:00-00:30", "2018-11-04 01:00-02:00"),
    ],
)
def test_quiet_hours_end_when_clocks_first_show_their_end_also_where_clocks_jump(
    zone, now, written, until
):
    there = ZoneInfo(zone)

    assert shown(quiet_until(at(now), hours(written), there), there) == until


# --- zones ----------------------------------------------------------------


def test_a_customers_own_zone_counts():
    assert zone_of("Asia/Tehran", BERLIN) == ZoneInfo("Asia/Tehran")


@pytest.mark.parametrize(
    "name",
    [
        None, "", 3, True, ["Asia/Tehran"], {}, "Mars/Olympus", "America", "zone.tab", "..",
        "../../etc/passwd", "/etc/passwd", "a" * 300, "Asia/Tehran\0", "Asia/Tehran ", "\ud800",
    ],
)  # fmt: skip
def test_a_zone_that_nobody_knows_is_the_brands(name):
    assert zone_of(name, BERLIN) is BERLIN


# --- any zone, any instant ------------------------------------------------

minutes_since_1974 = st.integers(0, 66 * 365 * 24 * 60)
whole_minutes = minutes_since_1974.map(lambda count: at("1974-01-01T00:00Z") + count * MINUTE)
jumps = st.sampled_from(
    [
        at("2026-03-29T01:00Z"), at("2026-10-25T01:00Z"), at("2026-10-03T15:30Z"),
        at("2026-04-04T15:00Z"), at("2011-12-30T10:00Z"), at("2018-11-04T03:00Z"),
        at("2019-02-17T02:00Z"), at("2022-03-21T20:30Z"), at("2010-11-07T02:31Z"),
    ]
)  # fmt: skip
near_jumps = st.builds(lambda jump, n: jump + n * MINUTE, jumps, st.integers(-1600, 1600))
windows = strategies.hours.map(hours)


def is_inside(instant, window, zone):
    """Straight from the words: clocks show a time from the beginning up to, not with, the end."""
    shown = minutes_of(instant.astimezone(zone))
    begins, ends = minutes_of(window.begins), minutes_of(window.ends)
    return (shown - begins) % 1440 < ((ends - begins) % 1440 or 1440)


def minutes_of(clock_time):
    return clock_time.hour * 60 + clock_time.minute


@given(whole_minutes | near_jumps, windows, strategies.zones)
@example(at("2026-03-29T00:30Z"), hours("02:15-02:45"), BERLIN)
@settings(strategies.unhurried, max_examples=150)
def test_the_next_open_instant_is_the_first_minute_inside_the_hours(now, window, zone):
    opens_at = next_open(now, window, (), zone)

    assert opens_at >= now
    assert is_inside(opens_at, window, zone)
    before = (now + n * MINUTE for n in range((opens_at - now) // MINUTE))
    assert not any(is_inside(minute, window, zone) for minute in before)


@given(whole_minutes | near_jumps, strategies.weekdays.map(tuple), strategies.zones)
@settings(strategies.unhurried, max_examples=50)
def test_the_next_open_instant_is_the_first_minute_of_the_weekdays(now, weekdays, zone):
    def is_named(instant):
        return WEEKDAYS[instant.astimezone(zone).weekday()] in weekdays

    opens_at = next_open(now, None, weekdays, zone)

    assert opens_at >= now
    assert is_named(opens_at)
    before = (now + n * MINUTE for n in range((opens_at - now) // MINUTE))
    assert not any(is_named(minute) for minute in before)


@given(whole_minutes | near_jumps, windows, strategies.weekdays.map(tuple), strategies.zones)
@strategies.unhurried
def test_what_is_open_stays_open_when_it_is_asked_again(now, window, weekdays, zone):
    opens_at = next_open(now, window, weekdays, zone)

    assert next_open(opens_at, window, weekdays, zone) == opens_at


@given(whole_minutes | near_jumps, windows, strategies.zones)
@strategies.unhurried
def test_quiet_hours_and_the_hours_between_them_make_the_whole_day(now, quiet, zone):
    until = quiet_until(now, quiet, zone)

    if quiet.begins == quiet.ends:
        assert until is None
    else:
        assert (until is not None) == is_inside(now, quiet, zone)
        assert until is None or not is_inside(until, quiet, zone)
