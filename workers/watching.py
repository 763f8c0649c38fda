"""Notices what nobody else would say: segments that fall behind, clocks that were wrong, lanes that
stand still, receivers that fail, disks that fill up and reports that do not come. Alarms, cleared
in the end.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rekindle.counting import counted
from rekindle.disks import find_tight
from rekindle.lanes import find_failing_receivers, find_standstills
from rekindle.services import Services
from store.alarms import (
    AHEAD,
    BROKEN,
    COMPLAINTS,
    DISK,
    EFFECT,
    GIVEN_UP,
    PLAINLY,
    RECEIVER,
    REFUSED,
    STALE,
    STANDSTILL,
    UNREPORTED,
    clear_alarms,
    load_standing,
    raise_alarm,
    raised_until,
    restate_alarm,
)
from store.delivery_events import count_unreported
from store.freshness import Delay, Freshness, load_freshness
from store.stamps import latest_stamp
from store.web_faults import WebFault, load_web_faults

TOO_OLD = timedelta(minutes=10)
DATABASE = "database"  # the subject of an alarm
NEWS = (
    GIVEN_UP,
    COMPLAINTS,
    EFFECT,
    PLAINLY,
)  # alarms of what happened: nothing will ever be well again
SEEN_AFTER = timedelta(days=7)
WATCH_SECONDS = 10  # between two looks at lanes and receivers, which count what waits
REPORTED_WITHIN = timedelta(hours=6)  # SendGrid reports within seconds, and repeats for a day
ENOUGH_REPORTS = 20  # emails in a row; of fewer none may have arrived yet
REPORTING = ("sendgrid",)  # providers that tell what became of emails
ENOUGH_REFUSALS = 3
REFUSED_FOR = timedelta(minutes=5)  # other processes may take what one refuses
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


def watch_work(services: Services, now: datetime) -> None:
    """Raise, bring up to date and clear the alarms of lanes that stand still, of receivers that
    fail, of disks that are nearly full and of reports that do not come; without news it only reads.
    """
    if int(now.timestamp()) % WATCH_SECONDS:
        return
    with services.store.read() as connection:
        faults = load_web_faults(connection, now)
        found: dict[str, dict[str, str]] = {
            STANDSTILL: {one.lane.value: one.said for one in find_standstills(connection, now)},
            RECEIVER: {
                f"{one.kind} {one.name}": said for one, said in find_failing_receivers(connection)
            },
            DISK: tell_disks(services),
            REFUSED: _tell_refused(faults, now),
            BROKEN: {fault.name: _broken(fault) for fault in faults if fault.kind == "page"},
            UNREPORTED: _tell_unreported(connection, services.settings.provider, now),
        }
        standing = {kind: load_standing(connection, kind) for kind in found}
    if not any(found.values()) and not any(standing.values()):
        return
    with services.store.begin() as tx:
        for kind, told in found.items():
            for subject, words in told.items():
                raise_alarm(tx, kind, subject, words, now)
                restate_alarm(tx, kind, subject, words)
            clear_alarms(tx, kind, standing[kind] - told.keys(), now)


def tell_disks(services: Services) -> dict[str, str]:
    """Which disks of this machine are nearly full, and whether the database could not be written
    just now: by folder, in words.
    """
    told = {str(room.folder): room.in_words() for room in find_tight(services.written_folders)}
    if fault := services.store.fault:
        told[DATABASE] = f"less than a minute ago, {fault}"
    return told


def _tell_refused(faults: Sequence[WebFault], now: datetime) -> dict[str, str]:
    """A few in a short time may be anybody's."""
    return {
        fault.name: f"{fault.count} webhooks of {fault.name} were refused since "
        f"{fault.failing_since:%Y-%m-%d %H:%M} UTC, and none was taken: {fault.reason}"
        for fault in faults
        if fault.kind == "source"
        and fault.count >= ENOUGH_REFUSALS
        and now - fault.failing_since >= REFUSED_FOR
    }


def _broken(fault: WebFault) -> str:
    times = counted(fault.count, "request")
    since = f"since {fault.failing_since:%Y-%m-%d %H:%M} UTC, the last by {fault.reason}"
    if fault.name.startswith("/"):
        return f"what lies below {fault.name} breaks: {times} failed {since}."
    return f"{fault.name} breaks, and our own page is shown: {times} failed {since}."


def _tell_unreported(connection: Connection, provider: str, now: datetime) -> dict[str, str]:
    if provider not in REPORTING:
        return {}
    count = count_unreported(connection, now - REPORTED_WITHIN)
    if count < ENOUGH_REPORTS:
        return {}
    return {
        provider: f"{provider} has reported nothing of the latest {count} emails that it took: "
        "whether they arrived, bounced or were complained about is not known, so that nobody is "
        "suppressed and no journey stops itself."
    }


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
