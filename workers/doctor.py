"""Is all reachable, in time, and is anyone stuck? And freeing those who are."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rekindle.lanes import find_failing_receivers, find_standstills
from rekindle.services import Services
from store.alarms import AHEAD, DISK, PROVIDER, RECEIVER, REMEDIES, STANDSTILL
from store.enrollments import Place, end_lost, find_place
from store.figures import list_alarms
from store.holds import find_hold
from store.intake import OwnEvent, record_own_events
from store.records import EnrollmentId
from store.source_states import load_source_states
from store.stuck import (
    Failed,
    Overdue,
    Stuck,
    count_overdue,
    find_failed_effects,
    find_stuck,
    free_stuck,
)
from workers.pausing import paused_journeys
from workers.providers import try_at_once
from workers.sources import find_late_sources
from workers.watching import tell_ahead, tell_disks

LATE_AFTER = timedelta(minutes=15)  # a sweep comes about once a second
ALARM = "alarm."
LOOKED_AT = (STANDSTILL, RECEIVER, DISK)  # what is said of these is said as it is at this moment
# of one, and of many
SAID = {
    "homeless": (
        "customer is in a journey and stands at no step of it",
        "customers are in a journey and stand at no step of it",
    ),
    "idle": ("customer waits in a journey for nothing", "customers wait in a journey for nothing"),
    "orphans": (
        "place is left of a journey that is over",
        "places are left of journeys that are over",
    ),
    "mails": ("mail waits for nothing", "mails wait for nothing"),
    "effects": ("notice or webhook waits for nothing", "notices or webhooks wait for nothing"),
}
OVERDUE = {
    "checks": ("membership has", "memberships have"),
    "positions": ("customer in a journey has", "customers in journeys have"),
    "mails": ("mail has", "mails have"),
    "effects": ("notice or webhook has", "notices and webhooks have"),
    "calendars": ("start of the calendar has", "starts of the calendar have"),
}
NAMED = 5  # of those whose effects failed; the latest
FAILED = ("notice or webhook has failed for good", "notices or webhooks have failed for good")


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, in words; `kind` is for programs."""

    kind: str
    count: int
    said: str
    remedy: str = ""  # what to do about an alarm

    def in_words(self) -> str:
        """An alarm is a sentence of its own; what is counted begins with how many."""
        is_counted = self.count and not self.kind.startswith(ALARM)
        return f"{self.count} {self.said}" if is_counted else self.said


def examine(services: Services, now: datetime) -> list[Finding]:
    """Everything that is stuck, late or failed; nothing is changed."""
    with services.store.read() as connection:
        library = services.library(connection)
        paused = tuple(sorted(paused_journeys(connection, library)))
        stuck = find_stuck(connection, paused)
        overdue = count_overdue(connection, now - LATE_AFTER)
        failed = find_failed_effects(connection)
        alarms = list_alarms(connection)
        ahead = tell_ahead(connection, now)
        if find_hold(connection) is not None:  # has an alarm; what may not leave is not late
            overdue = replace(overdue, mails=0, effects=0)
        if any(one.kind == PROVIDER for one in alarms):  # and so is what waits for its provider
            overdue = replace(overdue, mails=0)
        standstills = find_standstills(connection, now)
        unread = find_late_sources(library.sources, load_source_states(connection), now)
        failing = find_failing_receivers(connection)
    found = [*_stuck(stuck), *_overdue(overdue)]
    found += [
        Finding(f"lane.{one.lane.value}", 0, one.said, REMEDIES[STANDSTILL]) for one in standstills
    ]
    found += [Finding(RECEIVER, 0, said, REMEDIES[RECEIVER]) for _, said in failing]
    stored = {one.subject: one.message for one in alarms if one.kind == DISK}
    told = stored | tell_disks(services)  # an alarm may be another machine's
    found += [Finding(DISK, 0, said, REMEDIES[DISK]) for said in told.values()]
    found += [Finding("source.late", 0, said) for said in unread]
    if failed:
        found.append(Finding("effects.failed", len(failed), _failed(failed)))
    if ahead and not any(one.kind == AHEAD for one in alarms):  # nobody sweeps who would say it
        found.append(Finding(f"{ALARM}{AHEAD}", 1, ahead))
    found += [
        Finding(f"{ALARM}{one.kind}", 1, one.message, REMEDIES.get(one.kind, ""))
        for one in alarms
        if one.kind not in LOOKED_AT
    ]
    return found


def _stuck(stuck: Stuck) -> list[Finding]:
    return [
        Finding(f"stuck.{one.name}", len(ids), _of(len(ids), SAID[one.name]))
        for one in fields(stuck)
        if (ids := getattr(stuck, one.name))
    ]


def _overdue(overdue: Overdue) -> list[Finding]:
    said = "been due for more than a quarter of an hour: is a worker running?"
    return [
        Finding(f"late.{one.name}", count, f"{_of(count, OVERDUE[one.name])} {said}")
        for one in fields(overdue)
        if (count := getattr(overdue, one.name))
    ]


def _failed(failed: Sequence[Failed]) -> str:
    """Whose, as far as a line may say, and where the rest stands."""
    places = [f"{one.customer or '?'} in {one.journey} ({one.step})" for one in failed[:NAMED]]
    more = ", …" if len(failed) > NAMED else ""
    said = f"{_of(len(failed), FAILED)}: {', '.join(places)}{more}"
    return f"{said}; 'rekindle why CUSTOMER JOURNEY' tells why"


def _of(count: int, words: tuple[str, str]) -> str:
    return words[0] if count == 1 else words[1]


def repair(services: Services, now: datetime) -> int:
    """Free whatever is stuck, and have paused providers tried at once; how many there were. The
    workers go on with them.
    """
    with services.store.begin() as tx:
        library = services.library(tx)
        stuck = find_stuck(tx, tuple(sorted(paused_journeys(tx, library))))
        for id_ in free_stuck(tx, stuck, now):
            _end(tx, id_, find_place(tx, id_), now)
        tried = try_at_once(tx, now)
    if stuck.is_any:
        services.wake.changed()
    return tried + sum(len(getattr(stuck, one.name)) for one in fields(stuck))


def _end(tx: Connection, id_: EnrollmentId, place: Place, now: datetime) -> None:
    """Nobody knows any more where this one stood."""
    end_lost(tx, id_, now)
    what = {
        "journey": place.journey, "key": place.key, "enrollment_id": id_, "ended": "failed",
    }  # fmt: skip
    told = OwnEvent(place.customer_id, "enrollment.ended", now, f"enrollment:{id_}:ended", what)
    record_own_events(tx, [told], now)
