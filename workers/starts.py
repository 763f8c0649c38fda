"""Begins enrollments: which events start which journeys, and who may start again."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from journeys.advance import is_held_out
from journeys.definition import Again, Journey, OnEnters, OnEvent, OnLeaves
from journeys.graph import Graph, build_graph
from rekindle.workspace.library import Library
from segments.definition import parse_condition
from segments.prepared import parameters, prepare
from segments.subjects import Sort
from store.enrollments import NewEnrollment, Starts, earlier_starts, start_enrollments
from store.intake import OwnEvent, record_own_events
from store.pending import FreshEvent
from store.records import CustomerId, DefinitionId, EventId

LIVE_CAUSES = (
    "event",
    "time",
    "late",
)  # definition, refit, first start a journey only where it backfills


@dataclass(frozen=True)
class Candidate:
    """Somebody whom something would start; `occurrence` names that something."""

    journey: str
    customer_id: CustomerId
    key: str
    occurrence: str
    event_id: EventId | None
    cause: str


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


def _is_heard(trigger: OnEvent | OnEnters | OnLeaves, event: FreshEvent, journey: Journey) -> bool:
    match trigger:
        case OnEvent(event=names):
            return any(_is_named(event.name, name.lower()) for name in names)
        case OnEnters(enters=segment):
            return event.name == "segment.entered" and _is_of(event, segment, journey)
        case OnLeaves(leaves=segment):
            return event.name == "segment.left" and _is_of(event, segment, journey)


def _is_named(event: str, written: str) -> bool:
    """In names only `*` is special, and stands for any run of characters."""
    return re.fullmatch(".*".join(map(re.escape, written.split("*"))), event) is not None


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
    statement = prepare(condition, Sort.EVENT, library.lexicon)
    rows = tx.execute(statement, parameters([one.id for one in heard], now))
    holding = {row.id for row in rows if row.holds}
    return [one for one in heard if one.id in holding]


def _key(journey: Journey, event: FreshEvent) -> str | None:
    """The value of `per` as text; an event without it starts nothing."""
    if journey.per is None:
        return ""
    value = event.properties.get(journey.per)
    return None if value is None else str(value)


def _candidate(journey: Journey, event: FreshEvent) -> Candidate:
    cause = str(event.properties.get("cause", "event"))
    key = _key(journey, event) or ""
    return Candidate(journey.journey, event.customer_id, key, f"event:{event.id}", event.id, cause)


def begin(tx: Connection, library: Library, candidates: Iterable[Candidate], now: datetime) -> int:
    """Start those candidates whom `again` lets; how many began."""
    by_journey: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_journey.setdefault(candidate.journey, []).append(candidate)
    return sum(_begin_one(tx, library, name, theirs, now) for name, theirs in by_journey.items())


def _begin_one(
    tx: Connection, library: Library, name: str, candidates: Sequence[Candidate], now: datetime
) -> int:
    version_id = library.versions.get(("journey", name))
    if version_id is None:  # read from a folder, never applied: nothing runs it
        return 0
    graph = build_graph(library.journeys[name])
    earlier = earlier_starts(tx, name, {one.customer_id for one in candidates})
    first: dict[tuple[CustomerId, str], Candidate] = {}
    for one in candidates:
        if may_start(graph.journey.again, earlier.get((one.customer_id, one.key)), now):
            first.setdefault((one.customer_id, one.key), one)
    new = [_enrollment(graph, one, version_id) for one in first.values()]
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


def _enrollment(graph: Graph, one: Candidate, version_id: DefinitionId) -> NewEnrollment:
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
    )
