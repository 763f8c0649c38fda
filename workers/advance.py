"""Moves due enrollments on, in rounds over a batch, until all of them wait; one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from journeys.advance import (
    Decision,
    Effect,
    Facts,
    Outcome,
    QueueMessage,
    StartJourney,
    Tell,
    advance,
    questions,
)
from journeys.graph import Graph, build_graph
from journeys.timing import zone_of
from rekindle.services import Services
from rekindle.workspace.library import Library
from store.customers import load_traits
from store.effects import add_notices
from store.enrollments import claim_due, end_enrollments, move_enrollments, save_decisions
from store.intake import OwnEvent, record_own_events
from store.messages import cancel_queued, messages_at, refused_surveys
from store.records import DefinitionId, Enrollment, EnrollmentId
from workers.counts import Counts
from workers.questions import reply_to
from workers.queueing import Queued, queue_mails
from workers.starts import Candidate, begin

BATCH = 500
MOST_ROUNDS = 1_000  # more steps than any journey has: a fault of ours, not of the author


def advance_due(services: Services, now: datetime, ids: Sequence[int] | None = None) -> Counts:
    """Advance up to a batch of enrollments due at `now`, of `ids` where they are given."""
    library = services.library()
    with services.store.begin() as tx:
        standing = claim_due(tx, now, BATCH, ids)
        counts = _advance_all(tx, library, standing, now) if standing else Counts()
    return counts + Counts(looked_at=len(standing))


def _advance_all(
    tx: Connection, library: Library, standing: Sequence[Enrollment], now: datetime
) -> Counts:
    graphs = {id_: _graph(library, id_) for id_ in {one.version_id for one in standing}}
    total = Counts()
    moving = [one for one in standing if one.step in graphs[one.version_id].nodes]
    for _ in range(MOST_ROUNDS):
        if not moving:
            return total
        decided = _decide(tx, graphs, library, moving, now)
        total += _write(tx, library, decided, now)
        moving = [
            decision.enrollment
            for _, decision in decided
            if not decision.waits and decision.enrollment.ended is None
        ]
    raise AssertionError("a journey goes round without waiting")


def _graph(library: Library, version_id: DefinitionId) -> Graph:
    return build_graph(library.journey_versions[version_id])


def _decide(
    tx: Connection,
    graphs: Mapping[DefinitionId, Graph],
    library: Library,
    moving: Sequence[Enrollment],
    now: datetime,
) -> list[tuple[Enrollment, Decision]]:
    """One step for each, the facts of those at the same step fetched together."""
    zones = load_traits(tx, {one.customer_id for one in moving}, now)
    brand_zone = library.settings.brand.tz
    ordered = sorted(moving, key=lambda one: (one.version_id, one.step))
    decided = []
    for (version_id, step), group in groupby(ordered, key=lambda one: (one.version_id, one.step)):
        together = list(group)
        graph = graphs[version_id]
        replies = reply_to(tx, library, questions(graph, step), together, now)
        outcomes = _outcomes(tx, together)
        refused = refused_surveys(tx, [one.id for one in together])
        for one in together:
            zone = zone_of(zones.get(one.customer_id, {}).get("zone"), brand_zone)
            facts = Facts(zone, replies[one.id], outcomes.get(one.id), refused.get(one.id, {}))
            decided.append((one, advance(graph, one, facts, now)))
    return decided


def _outcomes(tx: Connection, standing: Sequence[Enrollment]) -> dict[EnrollmentId, Outcome]:
    found = messages_at(tx, standing)
    return {
        enrollment_id: Outcome(message.status, message.reason, message.sent_at)
        for (enrollment_id, _, _), message in found.items()
    }


def _write(
    tx: Connection, library: Library, decided: Sequence[tuple[Enrollment, Decision]], now: datetime
) -> Counts:
    said = [(one, decision.said) for one, decision in decided if decision.said is not None]
    save_decisions(
        tx,
        [
            {
                "enrollment_id": one.id,
                "step": row.step,
                "visit": row.visit,
                "decision": row.decision,
                "reason": row.reason,
                "due_at": row.due_at,
                "decided_at": now,
            }
            for one, row in said
        ],
    )
    queued = _do_effects(tx, library, decided, now)
    move_enrollments(
        tx,
        [
            (decision.enrollment, _next_look(decision, queued, now))
            for _, decision in decided
            if decision.enrollment.ended is None
        ],
    )
    _end(tx, [decision.enrollment for _, decision in decided if decision.enrollment.ended], now)
    return queued.counts + Counts(advanced=len(said))


def _next_look(decision: Decision, queued: Queued, now: datetime) -> datetime | None:
    """At once where it moved on or its mail was refused; else when the decision says."""
    if not decision.waits or decision.enrollment.id in queued.settled:
        return now
    return decision.look_again_at


def _do_effects(
    tx: Connection, library: Library, decided: Sequence[tuple[Enrollment, Decision]], now: datetime
) -> Queued:
    effects: list[tuple[Enrollment, Effect]] = [
        (one, effect) for one, decision in decided for effect in decision.effects
    ]
    mails = [(one, effect) for one, effect in effects if isinstance(effect, QueueMessage)]
    notices = [(one, effect) for one, effect in effects if isinstance(effect, Tell)]
    starts = [(one, effect) for one, effect in effects if isinstance(effect, StartJourney)]
    add_notices(
        tx,
        [
            (one, ordinal, {"target": target, "message": effect.message})
            for one, effect in notices
            for ordinal, target in enumerate(library.settings.people.get(effect.people, ("log:",)))
        ],
        now,
    )
    started = begin(tx, library, [_candidate(library, one, effect) for one, effect in starts], now)
    return queue_mails(tx, library, mails, now).adding(Counts(started=started))


def _candidate(library: Library, one: Enrollment, effect: StartJourney) -> Candidate:
    """The other journey is tied by the same key where it has a key at all."""
    is_tied = library.journeys[effect.journey].per is not None
    occurrence = f"enrollment:{one.id}:{one.step}:{one.visit}"
    key = one.key if is_tied else ""
    return Candidate(
        effect.journey, one.customer_id, key, occurrence, one.event_id, f"start by {one.journey}"
    )


def _end(tx: Connection, ended: Sequence[Enrollment], now: datetime) -> None:
    end_enrollments(tx, ended, now)
    left = [one for one in ended if one.ended != "finished"]
    cancel_queued(tx, [one.id for one in left], "the enrollment was left")
    record_own_events(
        tx,
        [
            OwnEvent(
                one.customer_id,
                "enrollment.ended",
                now,
                f"enrollment:{one.id}:ended",
                {
                    "journey": one.journey,
                    "key": one.key,
                    "enrollment_id": one.id,
                    "ended": one.ended,
                },
            )
            for one in ended
        ],
        now,
    )
