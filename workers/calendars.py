"""Starts that the calendar makes: in turns, chunk by chunk, each customer once a turn.

A turn that was slept through is made up for; of several, only the last.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from journeys.calendar import (
    days_of,
    in_year,
    instant_of,
    last_occurrence,
    next_occurrence,
    value_at,
)
from journeys.definition import Day, OnCalendar, OnDay, Rule
from journeys.timing import zone_of
from journeys.triggers import BRAND
from rekindle.services import Services
from rekindle.workspace.library import Library
from store.calendars import (
    Calendar,
    Key,
    add_calendars,
    came_after,
    claim_calendar,
    drop_calendars,
    find_dated,
    load_calendars,
    move_calendar,
    next_members,
)
from store.customers import load_traits
from store.definitions import load_versions
from store.records import CustomerId
from workers.counts import Counts
from workers.starts import Candidate, begin

CHUNK = 1_000  # customers in one transaction
# Every zone of today is whole quarters of an hour away from UTC, so clocks show the same minute of
# a quarter everywhere at once.
GRID = timedelta(minutes=15)
DAY = timedelta(days=1)
MOST_AHEAD = timedelta(hours=14)  # of UTC, on any clock; behind it is less

CalendarStart = OnCalendar | OnDay


def calendar_starts(library: Library) -> dict[Key, CalendarStart]:
    """Every start of the calendar under its key: the journey, and the start as written."""
    return {
        (name, _written(trigger, library)): trigger
        for name, journey in library.journeys.items()
        if ("journey", name) in library.versions
        for trigger in journey.start
        if isinstance(trigger, OnCalendar | OnDay)
    }


def _written(trigger: CalendarStart, library: Library) -> str:
    dumped = trigger.model_dump(mode="json", by_alias=True)
    return json.dumps({**dumped, "brand": library.settings.brand.zone}, sort_keys=True)


def keep_calendars(services: Services, now: datetime) -> None:
    """See to it that every start of the calendar, and no other, has its row."""
    with services.store.read() as connection:
        wanted = calendar_starts(services.library(connection))
        kept = load_calendars(connection)
    if wanted.keys() == kept.keys():
        return
    with services.store.begin() as tx:
        kept, library = load_calendars(tx), services.library(tx)
        wanted = calendar_starts(library)
        drop_calendars(tx, kept.keys() - wanted.keys())
        add_calendars(
            tx, [_new(tx, library, key, wanted[key], now) for key in wanted.keys() - kept.keys()]
        )


def _new(
    tx: Connection, library: Library, key: Key, trigger: CalendarStart, now: datetime
) -> Calendar:
    """It counts from when its version was applied: what came before is not made up for."""
    [version] = load_versions(tx, [library.versions["journey", key[0]]])
    since = min(version.known_at, now)
    return Calendar(*key, looked_at=since, due_at=_next_turn(library, trigger, since), cursor=0)


def _next_turn(library: Library, trigger: CalendarStart, after: datetime) -> datetime | None:
    match trigger:
        case OnCalendar(every=rule):
            found = next_occurrence(rule.cron, _zone(library, rule), after)
            return found[1] if found else None
        case OnDay(on=day):
            return last_look(day, after) + GRID


def _zone(library: Library, rule: Rule) -> ZoneInfo:
    return library.settings.brand.tz if rule.zone == BRAND else ZoneInfo(rule.zone)


def last_look(day: Day, until: datetime) -> datetime:
    """The last instant up to `until` at which clocks somewhere show the time of day meant."""
    begins = datetime(1970, 1, 1, 0, day.at.minute % 15, tzinfo=UTC)
    return begins + (until - begins) // GRID * GRID


def run_calendars(services: Services) -> Counts:
    """Start up to a chunk of customers whose turn has come, in one transaction."""
    with services.store.begin() as tx:
        due = claim_calendar(tx, services.clock.now())
        if due is None:
            return Counts()
        library, now = services.library(tx), services.clock.now()
        trigger = calendar_starts(library).get(due.key)
        match trigger:
            case OnCalendar(every=rule):
                started, moved = _run_rule(tx, library, due, rule, now)
            case OnDay(on=day):
                started, moved = _run_day(tx, library, due, day, now)
            case None:
                started, moved = 0, replace(due, due_at=None)
        if trigger is not None and moved.cursor == 0:
            moved = replace(moved, due_at=_next_turn(library, trigger, moved.looked_at))
        move_calendar(tx, moved)
    return Counts(looked_at=1, started=started)


def _run_rule(
    tx: Connection, library: Library, due: Calendar, rule: Rule, now: datetime
) -> tuple[int, Calendar]:
    """A turn under way goes on as it began, whatever came due meanwhile."""
    assert due.due_at is not None  # it was claimed because it is due
    zone = _zone(library, rule)
    turn = due.due_at
    if due.cursor == 0:
        turn = (last_occurrence(rule.cron, zone, due.looked_at, now) or (None, turn))[1]
    ids = next_members(tx, rule.for_, due.cursor, CHUNK)
    too_late = came_after(tx, rule.for_, ids, turn) if ids else set()
    meant = [id_ for id_ in ids if id_ not in too_late]
    shown = turn.astimezone(zone)
    occurrence = f"every:{shown:%Y-%m-%dT%H:%M}"
    found = [Candidate(due.journey, id_, "", occurrence, None, "calendar", turn) for id_ in meant]
    return begin(tx, library, found, now), _moved(due, turn, ids)


def _moved(due: Calendar, turn: datetime, ids: Sequence[CustomerId]) -> Calendar:
    """On to the next chunk, or past the turn where there is none."""
    if len(ids) < CHUNK:
        return replace(due, looked_at=turn, cursor=0)
    return replace(due, due_at=turn, cursor=ids[-1])


def _run_day(
    tx: Connection, library: Library, due: Calendar, day: Day, now: datetime
) -> tuple[int, Calendar]:
    assert due.due_at is not None  # it was claimed because it is due
    until = due.due_at if due.cursor else last_look(day, now)
    days = _days_named(day, due.looked_at, until)
    is_yearly = day.every is not None
    ids = find_dated(tx, day.trait, days, yearly=is_yearly, cursor=due.cursor, limit_rows=CHUNK)
    found = _dated(tx, library, due, day, ids, until, now)
    return begin(tx, library, found, now), _moved(due, until, ids)


def _days_named(day: Day, after: datetime, until: datetime) -> set[str]:
    """What the trait of somebody reads whose time lies in between, on whatever clock."""
    shift = day.after - day.before
    first = (after - MOST_AHEAD - shift).date() - DAY
    last = (until + MOST_AHEAD - shift).date() + DAY
    count = min((last - first).days, 800) + 1
    days = {last - n * DAY for n in range(count)}
    if day.every is None:
        return {one.isoformat() for one in days}
    leap = {date(2000, 2, 29)} if any(in_year(date(2000, 2, 29), d.year) == d for d in days) else ()
    return {f"{one:%m-%d}" for one in (*days, *leap)}


def _dated(
    tx: Connection,
    library: Library,
    due: Calendar,
    day: Day,
    ids: Sequence[CustomerId],
    until: datetime,
    now: datetime,
) -> list[Candidate]:
    """Those among `ids` whose time came after the last look, up to `until`."""
    names = {day.trait.partition(".")[0], "zone"}
    traits = load_traits(tx, ids, now, names=names)
    found = []
    for id_ in ids:
        for named, at in times_of(library, day, traits.get(id_, {}), until):
            if due.looked_at < at <= until:
                occurrence = f"on:{day.trait}:{named.isoformat()}"
                found.append(Candidate(due.journey, id_, "", occurrence, None, "calendar", at))
    return found


def times_of(
    library: Library, day: Day, traits: Mapping[str, object], near: datetime
) -> list[tuple[date, datetime]]:
    """The days that a customer's trait names around `near`, each with the instant to start."""
    zone = zone_of(traits.get("zone"), library.settings.brand.tz)
    named = days_of(day, value_at(traits, day.trait), zone, near.astimezone(zone).date())
    times = [(one, instant_of(datetime.combine(act, day.at), zone)) for one, act in named]
    return [(one, at) for one, at in times if at is not None]
