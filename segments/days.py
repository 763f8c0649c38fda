"""Days of a zone in Python: which day an instant falls on, and when a day begins."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
PUBLISHED_AFTER = timedelta(hours=4)  # daily figures, from the first instant of the brand's day


@lru_cache(maxsize=100_000)
def day_begins(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC.

    Where midnight does not exist this is the instant at which the clocks jump past it; where it
    comes twice, its first coming (fold 0 means both).
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The local day on which `instant` falls."""
    return instant.astimezone(zone).date()


def first_instant(moment: date | datetime, zone: ZoneInfo) -> datetime:
    """Where a written date or instant begins."""
    return moment if isinstance(moment, datetime) else day_begins(moment, zone)


def last_instant(moment: date | datetime, zone: ZoneInfo) -> datetime:
    """The last microsecond of a written date, or the written instant itself."""
    if isinstance(moment, datetime):
        return moment
    return day_begins(moment + DAY, zone) - timedelta(microseconds=1)


def published_at(now: datetime, zone: ZoneInfo) -> datetime:
    """The last instant at which a version of the daily figures was or is to be published."""
    today = day_begins(day_of(now, zone), zone) + PUBLISHED_AFTER
    return today if today <= now else day_begins(day_of(now, zone) - DAY, zone) + PUBLISHED_AFTER
