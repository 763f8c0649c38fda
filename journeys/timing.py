"""Waits, hours and weekdays in a customer's own zone, right across gaps, folds and skipped days.

Zones come from the IANA database through `zoneinfo`. Only this module applies one. Hours are open
whenever clocks there show a time inside them: an hour that comes twice counts twice, one that is
skipped never comes.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from journeys.steps import WEEKDAYS, Wait
from rekindle.settings import QuietHours

DAY = timedelta(days=1)
FARTHEST_DAYS = 15  # a weekly window that clocks skip once opens after a fortnight
WHOLE_DAY = QuietHours(begins=time(0), ends=time(0))


def wait_over_at(wait: Wait, arrived_at: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which `wait` lets a customer go who arrived then."""
    return wait_over(wait, zone)(arrived_at)


def wait_over(wait: Wait, zone: ZoneInfo) -> Callable[[datetime], datetime]:
    """The same for whoever arrives whenever."""
    length, hours, weekdays = wait.wait, wait.between, wait.on
    if hours is None and not weekdays:
        return lambda arrived_at: arrived_at + length
    return lambda arrived_at: next_open(arrived_at + length, hours, weekdays, zone)


def next_open(
    instant: datetime, hours: QuietHours | None, weekdays: tuple[str, ...], zone: ZoneInfo
) -> datetime:
    """`instant` itself if hours and weekdays allow it, else the first later one that they allow.

    Hours are [begins, ends) of the local day and may pass midnight; then the weekday is that of the
    beginning. Hours that end where they begin are the whole day.
    """
    if hours is None and not weekdays:
        return instant
    span = hours or WHOLE_DAY
    if _is_open(instant, span, weekdays, zone):
        return instant
    today = instant.astimezone(zone).date()
    for offset in range(-1, FARTHEST_DAYS):
        turns = _turns(today + offset * DAY, span, zone)
        ahead = [at for at in turns if at > instant and _is_open(at, span, weekdays, zone)]
        if ahead:
            return min(ahead)
    return instant  # never open: `check` reports it


def quiet_until(instant: datetime, quiet: QuietHours | None, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours around `instant` end where the customer lives, or None outside them."""
    if quiet is None or quiet.begins == quiet.ends:
        return None
    loud = QuietHours(begins=quiet.ends, ends=quiet.begins)
    until = next_open(instant, loud, (), zone)
    return until if until > instant else None


def _is_open(
    instant: datetime, hours: QuietHours, weekdays: tuple[str, ...], zone: ZoneInfo
) -> bool:
    local = instant.astimezone(zone)
    shown, day = local.time(), local.date()
    if hours.begins < hours.ends:
        is_inside = hours.begins <= shown < hours.ends
    else:
        is_inside = shown >= hours.begins or shown < hours.ends
        day = day if shown >= hours.begins else day - DAY
    return is_inside and (not weekdays or WEEKDAYS[day.weekday()] in weekdays)


def _turns(day: date, hours: QuietHours, zone: ZoneInfo) -> Iterator[datetime]:
    """Every instant of a local day at which hours may open, and some at which they do not.

    They open when clocks show their beginning, or when clocks jump over it or back from their end.
    """
    for shown in (hours.begins, hours.ends):
        local = datetime.combine(day, shown, zone)
        first, second = sorted(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        yield first
        if first != second:  # that time comes twice, or never
            yield second
            yield jump_between(first, second, zone)


def jump_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The instant between two at which clocks jump, to the second, by halving."""
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
