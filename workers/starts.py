"""Begins enrollments: which events start which journeys, and who may start again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from journeys.advance import is_held_out
from journeys.definition import Again, Journey, OnApi, OnEnters, OnEvent, OnLeaves, Trigger
from journeys.graph import Graph
from journeys.permission import Refused
from rekindle.errors import NotFound
from rekindle.workspace.library import Library
from segments.definition import parse_condition
from segments.paths import parse_path, walk_keys
from segments.subjects import Sort
from store.enrollments import (
    NewEnrollment,
    Starts,
    earlier_starts,
    find_started,
    start_enrollments,
)
from store.intake import OwnEvent, record_own_events
from store.journey_states import find_stopped
from store.pending import FreshEvent
from store.records import ON_TIME, CustomerId, DefinitionId, EnrollmentId, EventId
from workers.asking import find_holding

LIVE_CAUSES = (
    "event",
    "time",
    "late",
)  # definition, refit, first start a journey only where it backfills
CLOSED = {"paused": "the journey is paused", "draining": "the journey is draining"}
# However often a journey may start again, more in a day under one key is journeys that start each
# other in a circle.
MOST_STARTS = 20
A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Candidate:
    """Somebody whom something would start; `occurrence` names that something, and `at` is when it
    came, or became true: what takes long to be heard is late from the first step on.
    """

    journey: str
    customer_id: CustomerId
    key: str
    occurrence: str
    event_id: EventId | None
    cause: str
    at: datetime | None = None


def candidates_from(
    tx: Connection, library: Library, events: Sequence[FreshEvent], now: datetime
) -> list[Candidate]:
    """Everybody whom one of `events` would start, in the events' order."""
    found: list[Candidate] = []
    for name, journey in library.journeys.items():
        applied_at = library.applied_at.get(name)
        for trigger in journey.start:
            heard = [one for one in events if _is_heard(trigger, one, journey)]
            heard = [one for one in heard if not _is_history(one, applied_at)]
            if isinstance(trigger, OnEvent) and trigger.where and heard:
                heard = _narrowed(tx, library, trigger, heard, now)
            found += [_candidate(journey, one) for one in heard if _key(journey, one) is not None]
    return found


def _is_heard(trigger: Trigger, event: FreshEvent, journey: Journey) -> bool:
    match trigger:
        case OnEvent():
            return trigger.names(event.name)
        case OnEnters(enters=segment):
            return event.name == "segment.entered" and _is_of(event, segment, journey)
        case OnLeaves(leaves=segment):
            return event.name == "segment.left" and _is_of(event, segment, journey)
        case _:  # the calendar and people start without an event
            return False


def _is_of(event: FreshEvent, segment: str, journey: Journey) -> bool:
    is_live = event.properties.get("cause") in LIVE_CAUSES
    return event.properties.get("segment") == segment and (is_live or journey.backfill)


def _is_history(event: FreshEvent, applied_at: datetime | None) -> bool:
    """Imported from before the journey existed: it was not there to hear it."""
    is_imported = event.known_at < event.received_at
    return is_imported and applied_at is not None and event.known_at < applied_at


def _narrowed(
    tx: Connection, library: Library, trigger: OnEvent, heard: Sequence[FreshEvent], now: datetime
) -> list[FreshEvent]:
    condition = parse_condition({"event": list(trigger.event), "where": dict(trigger.where)})
    ids = [one.id for one in heard]
    holding = find_holding(tx, library, condition, Sort.EVENT, ids, now)
    return [one for one in heard if one.id in holding]


def _key(journey: Journey, event: FreshEvent) -> str | None:
    """The value of `per` as text; an event without it starts nothing."""
    if journey.per is None:
        return ""
    value = walk_keys(event.properties, parse_path(journey.per).keys)
    return None if value is None else str(value)


def _candidate(journey: Journey, event: FreshEvent) -> Candidate:
    is_of_segment = event.name in ("segment.entered", "segment.left")
    cause = str(event.properties.get("cause")) if is_of_segment else "event"
    occurrence = f"event:{event.id}"
    if event.name == "segment.entered" and cause == "first":  # as those who were there already
        occurrence = backfill_of(str(event.properties.get("segment")))
    key = _key(journey, event) or ""
    is_known_since = is_of_segment and cause in ON_TIME
    at = event.occurred_at if is_known_since else event.received_at
    return Candidate(journey.journey, event.customer_id, key, occurrence, event.id, cause, at)


def backfill_of(segment: str) -> str:
    """The occurrence of having been in a segment when a journey that backfills was applied."""
    return f"backfill:{segment}"


def begin(tx: Connection, library: Library, candidates: Iterable[Candidate], now: datetime) -> int:
    """Start those candidates whom nothing forbids; how many began. Who is refused because their
    journey takes nobody is told so.
    """
    by_journey: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_journey.setdefault(candidate.journey, []).append(candidate)
    if not by_journey:
        return 0
    closed = closed_journeys(tx, library)
    total = 0
    for name, theirs in by_journey.items():
        if name in closed:
            _refuse(tx, theirs, closed[name], now)
        else:
            total += _begin_one(tx, library, name, theirs, now)
    return total


def closed_journeys(tx: Connection, library: Library) -> dict[str, str]:
    """The journeys in which nobody starts at present, each with the reason."""
    said = {
        name: CLOSED[one.status] for name, one in library.journeys.items() if one.status in CLOSED
    }
    return {**said, **find_stopped(tx)}


def _refuse(tx: Connection, refused: Sequence[Candidate], reason: str, now: datetime) -> None:
    record_own_events(
        tx,
        [
            OwnEvent(
                one.customer_id,
                "enrollment.refused",
                now,
                f"refused:{one.journey}:{one.customer_id}:{one.key}:{one.occurrence}",
                {"journey": one.journey, "key": one.key, "reason": reason, "cause": one.cause},
            )
            for one in refused
        ],
        now,
    )


def _begin_one(
    tx: Connection, library: Library, name: str, candidates: Sequence[Candidate], now: datetime
) -> int:
    version_id = library.versions.get(("journey", name))
    graph = library.graph(version_id) if version_id is not None else None
    if version_id is None or graph is None:  # read from a folder, never applied: nothing runs it
        return 0
    earlier = earlier_starts(
        tx,
        name,
        {one.customer_id for one in candidates},
        since=now - A_DAY,
        ignoring=_shadows(library, graph.journey),
    )
    first: dict[tuple[CustomerId, str], Candidate] = {}
    running_away: list[Candidate] = []
    for one in candidates:
        before = earlier.get((one.customer_id, one.key))
        if not may_start(graph.journey.again, before, now):
            continue
        if before is not None and before.lately >= MOST_STARTS:
            running_away.append(one)
        else:
            first.setdefault((one.customer_id, one.key), one)
    _refuse(tx, running_away, f"started {MOST_STARTS} times within a day already", now)
    new = [_enrollment(graph, one, version_id, now) for one in first.values()]
    begun = start_enrollments(tx, new, now)
    record_own_events(
        tx,
        [
            OwnEvent(
                one.customer_id,
                "enrollment.started",
                now,
                f"enrollment:{id_}:started",
                {
                    "journey": name,
                    "key": one.key,
                    "enrollment_id": id_,
                    "held_out": one.is_held_out,
                },
            )
            for id_, one in begun
        ],
        now,
    )
    return len(begun)


def _shadows(library: Library, journey: Journey) -> Collection[DefinitionId]:
    """A rehearsal in the shadow is no start to a journey that does something."""
    if journey.status == "shadow":
        return ()
    return [
        id_
        for id_, one in library.journey_versions.items()
        if one.journey == journey.journey and one.status == "shadow"
    ]


def may_start(again: Again, earlier: Starts | None, now: datetime) -> bool:
    """Whether somebody with this history may start (once more)."""
    if earlier is None:
        return True
    if earlier.is_active:
        return False
    match again.rule:
        case "never":
            return False
        case "after_exit" | "always":
            return True
        case "after":
            assert again.after is not None
            return now >= earlier.last_started_at + again.after


def _enrollment(
    graph: Graph, one: Candidate, version_id: DefinitionId, now: datetime
) -> NewEnrollment:
    return NewEnrollment(
        journey=one.journey,
        version_id=version_id,
        customer_id=one.customer_id,
        key=one.key,
        occurrence=one.occurrence,
        event_id=one.event_id,
        cause=one.cause,
        is_held_out=is_held_out(graph, one.customer_id),
        first_step=graph.first,
        arrived_at=min(one.at or now, now),
    )


@dataclass(frozen=True)
class Wanted:
    """A start that a person or a program asks for; `request_id` makes asking twice harmless."""

    journey: str
    customer_id: CustomerId
    request_id: str
    properties: Mapping[str, Any] = field(default_factory=dict)  # what templates call `event`

    @property
    def occurrence(self) -> str:
        """What starts one customer only once."""
        return f"api:{self.request_id}"


def start_by_hand(
    tx: Connection, library: Library, wanted: Wanted, now: datetime
) -> EnrollmentId | Refused:
    """Start one customer in a journey that has the start `api`, or say why not.

    Raises NotFound for a journey that is not there.
    """
    journey = library.journeys.get(wanted.journey)
    if journey is None:
        raise NotFound(f"no journey is called {wanted.journey!r}.")
    if not any(isinstance(trigger, OnApi) for trigger in journey.start):
        return Refused(f"{wanted.journey} has no start 'api'")
    per = parse_path(journey.per).keys if journey.per else None
    key = "" if per is None else walk_keys(wanted.properties, per)
    if key is None:
        return Refused(f"the properties have no {journey.per!r}, which tells its trips apart")
    occurrence = wanted.occurrence
    if known := find_started(tx, wanted.journey, wanted.customer_id, occurrence):
        return known
    asked = OwnEvent(
        wanted.customer_id,
        "journey.requested",
        now,
        f"journey:{wanted.journey}:{wanted.customer_id}:{wanted.request_id}",
        {**wanted.properties, "journey": wanted.journey},
    )
    [event_id] = record_own_events(tx, [asked], now)
    one = Candidate(wanted.journey, wanted.customer_id, str(key), occurrence, event_id, "api", now)
    if begin(tx, library, [one], now):
        started = find_started(tx, wanted.journey, wanted.customer_id, occurrence)
        assert started is not None  # it has just begun
        return started
    closed = closed_journeys(tx, library)
    return Refused(closed.get(wanted.journey, "'again' does not let this customer start now"))
