"""Days and times of the calendar as instants: cron rules, dates of customers, moments to wait for.

A time that comes twice is its first coming; one that clocks jump over is the instant at which they
do; a whole day that a zone skipped has no times at all.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim

from journeys.steps import WEEKDAYS, Until
from journeys.timing import DAY, FARTHEST_DAYS, jump_between
from journeys.triggers import Day
from segments.conditions.fields import parse_day_or_instant

MIDNIGHT = time(0)
FIRST_YEAR, LAST_YEAR = 1002, 8998  # a duration is a thousand years at most
LEAP_DAY = (2, 29)  # kept on the 28th in years without one


def instant_of(local: datetime, zone: ZoneInfo) -> datetime | None:
    """When clocks in `zone` first show `local` (naive); None on a day that never was there."""
    early, late = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0))
    if late.astimezone(zone).replace(tzinfo=None) == local:
        return late
    gap = late - early  # of a time that is jumped over, fold 1 reads as earlier than fold 0
    return jump_between(early, late, zone) if gap < DAY else None


def occurrences(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[tuple[datetime, datetime]]:
    """What a cron rule names after an instant: as clocks show it (naive), and as an instant."""
    shown = after.astimezone(zone).replace(tzinfo=None)
    for local in CronSim(cron, shown - DAY):
        instant = instant_of(local, zone)
        if instant is not None and instant > after:
            yield local, instant


def next_occurrence(cron: str, zone: ZoneInfo, after: datetime) -> tuple[datetime, datetime] | None:
    """The first of `occurrences`, or None for a rule that names none any more."""
    return next(occurrences(cron, zone, after), None)


def last_occurrence(
    cron: str, zone: ZoneInfo, after: datetime, until: datetime
) -> tuple[datetime, datetime] | None:
    """The last of `occurrences` up to `until`: of several that were slept through, one is kept."""
    last = None
    for found in occurrences(cron, zone, after):
        if found[1] > until:
            return last
        last = found
    return last


def read_day(value: object, zone: ZoneInfo) -> date | None:
    """The day that a trait names, in the customer's zone; None if it names none."""
    moment = _read(value)
    return moment.astimezone(zone).date() if isinstance(moment, datetime) else moment


def _read(value: object) -> date | datetime | None:
    """Return the day or instant, None for what is none; and for one so far off that counting days
    from it leads out of the calendar.
    """
    try:
        found = parse_day_or_instant(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and FIRST_YEAR <= found.year <= LAST_YEAR else None


def in_year(day: date, year: int) -> date:
    """The anniversary of a day in a year."""
    if (day.month, day.day) == LEAP_DAY:
        return date(year, 2, 28) + timedelta(days=_is_leap(year))
    return day.replace(year=year)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_of(day: Day, value: object, zone: ZoneInfo, near: date) -> Iterator[tuple[date, date]]:
    """The days a customer's trait names around `near`, each with the day on which to act."""
    named = read_day(value, zone)
    if named is None:
        return
    shift = day.after - day.before
    if day.every is None:
        yield named, named + shift
        return
    for year in (near.year - 1, near.year, near.year + 1, near.year + 2):
        if year >= named.year and date.min.year < year < date.max.year:
            kept = in_year(named, year)
            yield kept, kept + shift


def find_moment(
    until: Until, arrived_at: datetime, traits: Mapping[str, Any], zone: ZoneInfo
) -> datetime | None:
    """When a wait is over that began then; None where the customer's trait names no day."""
    if until.trait is not None:
        return _of_trait(until, arrived_at, traits, zone)
    if until.day is not None:
        return _next_from(until.day, until.at or MIDNIGHT, zone)
    today = arrived_at.astimezone(zone).date()
    if until.at is None and WEEKDAYS[today.weekday()] in until.on:
        return arrived_at
    for offset in range(FARTHEST_DAYS):
        day = today + offset * DAY
        if not until.on or WEEKDAYS[day.weekday()] in until.on:
            at = instant_of(datetime.combine(day, until.at or MIDNIGHT), zone)
            if at is not None and at >= arrived_at:
                return at
    return arrived_at


def _of_trait(
    until: Until, arrived_at: datetime, traits: Mapping[str, Any], zone: ZoneInfo
) -> datetime | None:
    found = _read(value_at(traits, until.trait or ""))
    shift = (until.after or timedelta(0)) - (until.before or timedelta(0))
    if found is None:
        return None
    if isinstance(found, datetime) and until.at is None and until.every is None:
        return found + shift
    day = found.astimezone(zone).date() if isinstance(found, datetime) else found
    days, rest = shift // DAY, shift % DAY
    near = arrived_at.astimezone(zone).date()
    named = [day] if until.every is None else [in_year(day, near.year + n) for n in range(-1, 3)]
    moments = [
        _next_from(one + days * DAY, until.at or MIDNIGHT, zone) + rest for one in sorted(named)
    ]
    return next((at for at in moments if at >= arrived_at), moments[-1])


def _next_from(day: date, at: time, zone: ZoneInfo) -> datetime:
    """That time of that day, or of the next where a zone skipped the day."""
    found = instant_of(datetime.combine(day, at), zone)
    return found or _next_from(day + DAY, at, zone)


def value_at(traits: Mapping[str, Any], name: str) -> Any:
    """The trait of a dotted name, or None."""
    value: Any = traits
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
