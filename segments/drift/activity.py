"""From instants to event days: on each clock a customer's day counts once."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from segments.days import DAY, day_begins, day_of


def event_days(
    times: Iterable[tuple[int, datetime]], zone: ZoneInfo
) -> Iterator[tuple[int, list[date]]]:
    """Each customer's event days in order; `times` is sorted by customer, then by time."""
    for customer_id, of_customer in groupby(times, key=lambda pair: pair[0]):
        yield customer_id, _days((instant for _, instant in of_customer), zone)


def _days(instants: Iterable[datetime], zone: ZoneInfo) -> list[date]:
    days: list[date] = []
    over_at: datetime | None = None
    for instant in instants:
        if over_at is None or instant >= over_at:
            days.append(day_of(instant, zone))
            over_at = day_begins(days[-1] + DAY, zone)
    return days
