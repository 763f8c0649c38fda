"""Notices segments that fall behind and clocks that were wrong: alarms, cleared in the end."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from rekindle.services import Services
from store.alarms import (
    AHEAD,
    COMPLAINTS,
    GIVEN_UP,
    STALE,
    clear_alarms,
    load_standing,
    raise_alarm,
    raised_until,
)
from store.freshness import Delay, Freshness, load_freshness
from store.stamps import latest_stamp

TOO_OLD = timedelta(minutes=10)
NEWS = (GIVEN_UP, COMPLAINTS)  # alarms of what happened: nothing will ever be well again
SEEN_AFTER = timedelta(days=7)
TOO_FAR_AHEAD = timedelta(seconds=30)  # clocks that are kept in step differ by far less


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


def watch_clock(services: Services, now: datetime) -> None:
    """Raise and clear the alarm that something stored lies in the future."""
    with services.store.read() as connection:
        words = tell_ahead(connection, now)
        is_standing = bool(load_standing(connection, AHEAD))
    if (words is not None) == is_standing:
        return
    with services.store.begin() as tx:
        if words is not None:
            raise_alarm(tx, AHEAD, "", words, now)
        else:
            clear_alarms(tx, AHEAD, [""], now)


def tell_ahead(connection: Connection, now: datetime) -> str | None:
    """What is wrong and what to do, where the latest stored instant lies ahead of `now`."""
    latest = latest_stamp(connection)
    if latest is None or latest <= now + TOO_FAR_AHEAD:
        return None
    return (
        f"what was stored last bears the instant {latest:%Y-%m-%d %H:%M} UTC, and it is only "
        f"{now:%Y-%m-%d %H:%M} UTC: a clock was wrong, or still is. All that is stored counts, but "
        "waits that began under the wrong clock end late. Set the clock of the machine (of the "
        "database server, where there is one); if it is right by now, nothing is left to do"
    )
