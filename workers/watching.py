"""Notices segments that fall behind: an alarm for each, cleared once it has caught up."""

from datetime import datetime, timedelta

from rekindle.services import Services
from store.alarms import STALE, clear_alarms, load_standing, raise_alarm
from store.freshness import Delay, Freshness, load_freshness

TOO_OLD = timedelta(minutes=10)


def watch_segments(services: Services, now: datetime) -> None:
    """Raise and clear the alarms of stale segments; without news it only reads."""
    with services.store.read() as connection:
        found = load_freshness(connection, now)
        standing = load_standing(connection, STALE)
    stale = {segment: one for segment, one in found.items() if _is_stale(one)}
    if stale.keys() == standing:
        return
    with services.store.begin() as tx:
        for segment in stale.keys() - standing:
            words = f"the segment {segment} is behind: {stale[segment].in_words()}"
            raise_alarm(tx, STALE, segment, words, now)
        clear_alarms(tx, STALE, standing - stale.keys(), now)


def _is_stale(one: Freshness) -> bool:
    """A segment that failed has an alarm of its own."""
    return one.lag > TOO_OLD and one.waits_for is not Delay.FAILURE
