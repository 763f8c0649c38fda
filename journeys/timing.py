"""Waits, hours and weekdays in a customer's own zone, right across DST gaps, folds and skipped
days.

Zones come from the IANA database through `zoneinfo`. Only this module applies one.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from journeys.definition import WEEKDAYS, Wait
from rekindle.settings import QuietHours

DAY = timedelta(days=1)
FARTHEST_DAYS = 15  # a window that opens less often than this never opens


def wait_over_at(wait: Wait, arrived_at: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which `wait` lets a customer go who arrived then."""
    return next_open(arrived_at + wait.wait, wait.between, wait.on, zone)


def next_open(
    instant: datetime, hours: QuietHours | None, weekdays: tuple[str, ...], zone: ZoneInfo
) -> datetime:
    """`instant` itself if hours and weekdays allow it, else the first later instant that they
    allow.

    Hours are [begins, ends) of the local day and may pass midnight; then the weekday is that of the
    beginning.
    """
    if not hours and not weekdays:
        return instant
    span = hours or QuietHours(begins=time(0), ends=time(0))
    today = instant.astimezone(zone).date()
    for offset in range(-1, FARTHEST_DAYS):
        day = today + offset * DAY
        opens, closes = _span(day, span, zone)
        if closes > instant and (not weekdays or WEEKDAYS[day.weekday()] in weekdays):
            return max(opens, instant)
    return instant  # no weekday is named: `check` reports it


def quiet_until(instant: datetime, quiet: QuietHours | None, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours around `instant` end where the customer lives, or None outside them."""
    if quiet is None or quiet.begins == quiet.ends:
        return None
    today = instant.astimezone(zone).date()
    for day in (today - DAY, today):
        begins, ends = _span(day, quiet, zone)
        if begins <= instant < ends:
            return ends
    return None


def _span(day: date, hours: QuietHours, zone: ZoneInfo) -> tuple[datetime, datetime]:
    last = day if hours.ends > hours.begins else day + DAY
    return at_local(day, hours.begins, zone), at_local(last, hours.ends, zone)


def at_local(day: date, clock_time: time, zone: ZoneInfo) -> datetime:
    """The instant that clocks in `zone` show this; the first of two in a fold, the end of a gap
    that skips it.
    """
    before = datetime.combine(day, clock_time, zone).astimezone(UTC)
    if _shows(before, day, clock_time, zone):
        return before
    after = datetime.combine(day, clock_time, zone).replace(fold=1).astimezone(UTC)
    return _first_past_gap(min(before, after), max(before, after), zone)


def _shows(instant: datetime, day: date, clock_time: time, zone: ZoneInfo) -> bool:
    return instant.astimezone(zone).replace(tzinfo=None) == datetime.combine(day, clock_time)


def _first_past_gap(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The transition between two instants on either side of it, to the second, by halving."""
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def zone_of(name: object, fallback: ZoneInfo) -> ZoneInfo:
    """The zone a customer's trait names, or the brand's where it is missing or unknown."""
    if not isinstance(name, str) or not name:
        return fallback
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, or a directory of the database
        return fallback
