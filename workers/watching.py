"""Notices segments that fall behind: an alarm for each, cleared once it has caught up."""

from datetime import datetime, timedelta

from rekindle.services import Services
from store.alarms import (
    COMPLAINTS,
    GIVEN_UP,
    STALE,
    clear_alarms,
    load_standing,
    raise_alarm,
    raised_until,
)
from store.freshness import Delay, Freshness, load_freshness

TOO_OLD = timedelta(minutes=10)
NEWS = (GIVEN_UP, COMPLAINTS)  # alarms of what happened: nothing will ever be well again
SEEN_AFTER = timedelta(days=7)


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


def forget_news(services: Services, now: datetime) -> None:
    """An alarm of what happened a week ago has been seen; without any it only reads."""
    with services.store.read() as connection:
        old = {kind: raised_until(connection, kind, now - SEEN_AFTER) for kind in NEWS}
    if any(old.values()):
        with services.store.begin() as tx:
            for kind, subjects in old.items():
                clear_alarms(tx, kind, subjects, now)
