"""Days and times of the calendar: where clocks change, in odd zones, on days that never were."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from journeys.calendar import (
    days_of,
    find_moment,
    instant_of,
    last_occurrence,
    occurrences,
)
from journeys.definition import Day, Until

BERLIN, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")
APIA, TEHRAN = ZoneInfo("Pacific/Apia"), ZoneInfo("Asia/Tehran")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "shown", "instant"),
    [
        (BERLIN, "2026-03-29 02:30", "2026-03-29 01:00"),  # jumped over: when clocks jump
        (BERLIN, "2026-10-25 02:30", "2026-10-25 00:30"),  # comes twice: the first time
        (LORD_HOWE, "2026-10-04 02:15", "2026-10-03 15:30"),  # half an hour is skipped
        (LORD_HOWE, "2026-04-05 01:45", "2026-04-04 14:45"),
        (SAO_PAULO, "2018-11-04 00:00", "2018-11-04 03:00"),  # midnight itself is skipped
        (TEHRAN, "2022-03-22 00:30", "2022-03-21 20:30"),
        (TEHRAN, "2026-03-21 09:00", "2026-03-21 05:30"),
        (APIA, "2011-12-29 09:00", "2011-12-29 19:00"),
        (APIA, "2011-12-31 09:00", "2011-12-30 19:00"),
    ],
)
def test_a_time_on_the_clock_is_one_instant(zone, shown, instant):
    assert instant_of(datetime.fromisoformat(shown), zone) == utc(instant)


def test_a_day_that_a_zone_skipped_has_no_times():
    assert instant_of(datetime.fromisoformat("2011-12-30 09:00"), APIA) is None


@pytest.mark.parametrize(
    ("cron", "zone", "after", "days"),
    [
        ("30 2 * * *", BERLIN, "2026-03-28 12:00", ["2026-03-29 01:00", "2026-03-30 00:30"]),
        ("30 2 * * *", BERLIN, "2026-10-24 12:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),
        ("0 9 * * *", APIA, "2011-12-29 18:00", ["2011-12-29 19:00", "2011-12-30 19:00"]),
        ("0 0 * * *", SAO_PAULO, "2018-11-03 12:00", ["2018-11-04 03:00", "2018-11-05 02:00"]),
        ("0 9 1 */3 *", BERLIN, "2026-01-01 08:00", ["2026-04-01 07:00", "2026-07-01 07:00"]),
        ("0 9 29 2 *", BERLIN, "2026-01-01 08:00", ["2028-02-29 08:00", "2032-02-29 08:00"]),
    ],
)
def test_a_cron_rule_names_instants_of_its_zone(cron, zone, after, days):
    found = occurrences(cron, zone, utc(after))

    assert [next(found)[1] for _ in days] == [utc(day) for day in days]


def test_an_hour_that_comes_twice_is_one_turn():
    turns = occurrences("30 * * * *", BERLIN, utc("2026-10-24 23:00"))

    shown = [next(turns)[0].strftime("%H:%M") for _ in range(4)]

    assert shown == ["01:30", "02:30", "03:30", "04:30"]


def test_of_several_turns_that_were_slept_through_only_the_last_is_made_up_for():
    found = last_occurrence("0 9 * * *", BERLIN, utc("2026-03-01 09:00"), utc("2026-03-05 12:00"))

    assert found is not None
    assert found[1] == utc("2026-03-05 08:00")


@pytest.mark.parametrize(
    ("near", "kept"),
    [(date(2026, 2, 20), date(2026, 2, 28)), (date(2028, 2, 20), date(2028, 2, 29))],
)
def test_a_birthday_on_29_february_is_kept_on_the_28th_in_other_years(near, kept):
    birthday = Day(trait="birthday", every="year")

    acts = [act for _, act in days_of(birthday, "2000-02-29", BERLIN, near)]

    assert [day for day in acts if day.year == near.year] == [kept]


MONDAY = utc("2026-03-02 09:00")  # ten in Berlin


@pytest.mark.parametrize(
    ("until", "moment"),
    [
        (Until(at=time(9)), "2026-03-03 08:00"),
        (Until(at=time(11)), "2026-03-02 10:00"),
        (Until(on=("mon",)), "2026-03-02 09:00"),  # it is Monday
        (Until(on=("mon",), at=time(9)), "2026-03-09 08:00"),
        (Until(on=("sun",), at=time(2, 30)), "2026-03-08 01:30"),
        (Until(day=date(2026, 12, 24), at=time(18)), "2026-12-24 17:00"),
        (Until(day=date(2026, 1, 1)), "2025-12-31 23:00"),  # has passed
        (Until(trait="renewal", before=timedelta(days=3), at=time(10)), "2026-03-28 09:00"),
        (Until(trait="birthday", every="year"), "2027-02-28 23:00"),
        (Until(trait="meeting", before=timedelta(hours=2)), "2026-03-31 10:00"),
    ],
)
def test_a_wait_lasts_until_the_moment_it_names(until, moment):
    traits = {
        "renewal": "2026-03-31", "birthday": "1990-03-01", "meeting": "2026-03-31T12:00:00Z",
    }  # fmt: skip

    assert find_moment(until, MONDAY, traits, BERLIN) == utc(moment)


def test_a_trait_that_is_no_date_names_no_moment():
    assert find_moment(Until(trait="renewal"), MONDAY, {"renewal": "soon"}, BERLIN) is None
