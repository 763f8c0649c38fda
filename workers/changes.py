"""Brings those inside a changed journey to where its new version wants them.

In chunks, each its own short transaction; a stopped change goes on where it was, because whoever
was dealt with no longer stands on an older version.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from journeys.changes import place_in
from journeys.definition import Journey, OnEnters
from journeys.graph import Graph
from rekindle.services import Services
from rekindle.workspace.library import Library
from store.calendars import next_members
from store.definitions import applied_at, hold_definitions
from store.enrollments import earlier_starts, save_decisions
from store.inside import carry_over, change_versions, find_inside, next_visits
from store.interventions import record_intervention
from store.journey_states import JourneyState, load_journey_states, save_journey_state
from store.messages import cancel_queued
from store.records import CustomerId, DefinitionId, Enrollment, Said
from workers.advance import close
from workers.counts import Counts
from workers.pausing import let_go
from workers.starts import Candidate, backfill_of, begin

CHUNK = 1_000  # enrollments or customers in one transaction


def follow_versions(services: Services, now: datetime) -> Counts:
    """Act upon every version of a journey that was applied since the last time."""
    total = Counts()
    with services.store.read() as connection:
        library = services.library(connection)
        outdated = outdated_journeys(connection, library)
    for name, before in outdated.items():
        total += _follow(services, library, name, before, now)
    return total


def outdated_journeys(connection: Connection, library: Library) -> dict[str, JourneyState | None]:
    """The journeys whose newest version nobody has acted upon, with what was acted upon last."""
    if not library.versions:
        return {}
    states = load_journey_states(connection)
    return {
        name: states.get(name)
        for name in library.journeys
        if name not in states or states[name].definition_id != library.versions["journey", name]
    }


def _follow(
    services: Services, library: Library, name: str, before: JourneyState | None, now: datetime
) -> Counts:
    version_id = library.versions["journey", name]
    graph = library.graph(version_id)
    assert graph is not None  # every current journey can be read
    if before is not None:
        _bring_over(services, library, graph, version_id, before, now)
    counts = _backfill(services, library, graph.journey, version_id, before, now)
    with services.store.begin() as tx:
        if not _is_in_force(tx, services, name, version_id):
            return counts
        journey = graph.journey
        resumed_at = before.resumed_at if before else None
        was_closed = before is not None and (before.status == "paused" or before.stopped_at)
        if was_closed and journey.status != "paused":
            resumed_at = min(applied_at(tx, version_id), now)  # however late it is acted upon
            let_go(tx, name, resumed_at)
        state = JourneyState(
            name, version_id, journey.status, journey.backfill, resumed_at=resumed_at
        )
        save_journey_state(tx, state)
    return counts


def _is_in_force(tx: Connection, services: Services, name: str, version_id: DefinitionId) -> bool:
    """Whether nothing newer was applied, which another process may have acted upon; nothing newer
    comes until this transaction ends.
    """
    hold_definitions(tx)
    return services.library(tx).versions.get(("journey", name)) == version_id


def _bring_over(
    services: Services,
    library: Library,
    graph: Graph,
    version_id: DefinitionId,
    before: JourneyState,
    now: datetime,
) -> None:
    cursor = 0
    while True:
        with services.store.begin() as tx:
            if not _is_in_force(tx, services, graph.journey.journey, version_id):
                return
            inside = find_inside(tx, graph.journey.journey, version_id, cursor, CHUNK)
            gone = _shadows_over(library, graph.journey, inside)
            close(tx, [one.over("shadowed") for one in gone], now)
            _bring(tx, graph, version_id, [one for one in inside if one not in gone], now)
        if len(inside) < CHUNK:
            return
        cursor = inside[-1].id


def _shadows_over(
    library: Library, journey: Journey, inside: Sequence[Enrollment]
) -> list[Enrollment]:
    """Rehearsals end when the journey comes out of the shadow, so that people can really start."""
    if journey.status == "shadow":
        return []
    versions = library.journey_versions
    return [
        one
        for one in inside
        if one.version_id in versions and versions[one.version_id].status == "shadow"
    ]


def _bring(
    tx: Connection,
    graph: Graph,
    version_id: DefinitionId,
    inside: Sequence[Enrollment],
    now: datetime,
) -> None:
    match graph.journey.in_flight:
        case "pin":
            return
        case "drain":
            close(tx, [one.over("drained") for one in inside], now)
        case "move":
            _move(tx, graph, version_id, inside, now)


def _move(
    tx: Connection,
    graph: Graph,
    version_id: DefinitionId,
    inside: Sequence[Enrollment],
    now: datetime,
) -> None:
    """Whoever has a place in the new version goes there; `apply` saw to it that all have one.

    What has left is not sent again under the step's new name, and nobody is asked twice.
    """
    places = [(one, place_in(graph, one.step)) for one in inside]
    known = [(one, step) for one, step in places if step is not None]
    elsewhere = {one.id: step for one, step in known if step != one.step}
    cancel_queued(tx, list(elsewhere), "moved to another step")
    visits = next_visits(tx, list(elsewhere.items()))
    moved = [(one, _moved(one, step, visits.get(one.id, 1))) for one, step in known]
    change_versions(tx, [after for _, after in moved], version_id, now)
    carry_over(tx, [(before, after) for before, after in moved if before.id in elsewhere])
    said = [(one, f"from {before.step} of an older version") for before, one in moved]
    save_decisions(tx, [(one.id, _said(one, "moved", why, now)) for one, why in said], now)


def _moved(one: Enrollment, step: str, visit: int) -> Enrollment:
    return one if step == one.step else one._replace(step=step, visit=visit)


def _said(one: Enrollment, decision: str, reason: str, now: datetime) -> Said:
    return Said(one.step, one.visit, decision, reason, now)


def _backfill(
    services: Services,
    library: Library,
    journey: Journey,
    version_id: DefinitionId,
    before: JourneyState | None,
    now: datetime,
) -> Counts:
    """Start those who are in the segment already; never anybody who was in this journey before."""
    if not journey.backfill or (before is not None and before.backfilled):
        return Counts()
    started = 0
    for trigger in journey.start:
        if isinstance(trigger, OnEnters):
            cursor: int | None = 0
            while cursor is not None:
                with services.store.begin() as tx:
                    if not _is_in_force(tx, services, journey.journey, version_id):
                        return Counts(started=started)
                    ids = next_members(tx, trigger.enters, cursor, CHUNK)
                    started += _start_members(tx, library, journey, trigger.enters, ids, now)
                cursor = ids[-1] if len(ids) == CHUNK else None
    return Counts(started=started)


def _start_members(
    tx: Connection,
    library: Library,
    journey: Journey,
    segment: str,
    ids: Sequence[CustomerId],
    now: datetime,
) -> int:
    name = journey.journey
    known = {id_ for id_, _key in earlier_starts(tx, name, ids, since=now)}
    return begin(
        tx,
        library,
        [
            Candidate(name, id_, "", backfill_of(segment), None, "backfill", now)
            for id_ in ids
            if id_ not in known
        ],
        now,
    )


def exit_customer(
    tx: Connection, name: str, customer_id: CustomerId, now: datetime, key: str | None = None
) -> int:
    """Take a customer out of a journey, of one key or of all; how many enrollments ended."""
    inside = find_inside(tx, name, None, 0, CHUNK, customer_id=customer_id, key=key)
    take_out(tx, inside, now)
    return len(inside)


def take_out(tx: Connection, inside: Sequence[Enrollment], now: datetime) -> None:
    """These leave their journeys because a person or a program says so."""
    if not inside:
        return
    record_intervention(tx, "taken_out", {"enrollments": [one.id for one in inside]}, now)
    said = [(one.id, _said(one, "exited", "taken out by hand", now)) for one in inside]
    save_decisions(tx, said, now)
    close(tx, [one.over("exited") for one in inside], now)
