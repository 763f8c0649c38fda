"""Does what decisions ask for, as rows in the same transaction: messages, traits, events,
enrollments, and the calls that `workers.calls` makes later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from journeys.advance import (
    AskApproval,
    CallWebhook,
    Effect,
    EmitEvent,
    QueueMessage,
    SetTraits,
    StartJourney,
    Tell,
)
from rekindle.workspace.library import Library
from segments.paths import nest, parse_path
from segments.subjects import BY_STEP
from store.approvals import Asking, ask_approvals
from store.effects import NewEffect, add_effects
from store.events import note_changes
from store.intake import OwnEvent, record_own_events
from store.knowledge import Told, learn
from store.records import Enrollment
from workers.counts import Counts
from workers.queueing import Queued, queue_mails
from workers.receivers import receiver_of
from workers.starts import Candidate, begin

LOG = "log:"

Placed = Sequence[tuple[Enrollment, Effect]]


@dataclass
class _Sorted:
    """The effects of a batch by kind, in the order in which they were decided."""

    mails: list[tuple[Enrollment, QueueMessage]] = field(default_factory=list)
    later: list[NewEffect] = field(default_factory=list)
    starts: list[Candidate] = field(default_factory=list)
    asked: list[Asking] = field(default_factory=list)
    told: list[tuple[Enrollment, SetTraits]] = field(default_factory=list)
    events: list[tuple[Enrollment, EmitEvent]] = field(default_factory=list)


def do_in_transaction(tx: Connection, library: Library, effects: Placed, now: datetime) -> Queued:
    """Write what each effect comes to: messages, traits, events, enrollments, errands for later."""
    if not effects:
        return Queued()
    found = _sort(library, effects)
    add_effects(tx, found.later, now)
    ask_approvals(tx, found.asked, now)
    _set_traits(tx, found.told, now)
    record_own_events(tx, [_event(library, one, what, now) for one, what in found.events], now)
    started = begin(tx, library, found.starts, now)
    return queue_mails(tx, library, found.mails, now).adding(Counts(started=started))


def _sort(library: Library, effects: Placed) -> _Sorted:
    found = _Sorted()
    for one, effect in effects:
        match effect:
            case QueueMessage():
                found.mails.append((one, effect))
            case Tell(people=people, message=message):
                found.later += _notices(library, one, people, message)
            case StartJourney(journey=journey):
                found.starts.append(_candidate(library, one, journey))
            case SetTraits():
                found.told.append((one, effect))
            case EmitEvent():
                found.events.append((one, effect))
            case CallWebhook(url=url, body=body):
                payload = {"url": url, "body": dict(body)}
                receiver = receiver_of("webhook", payload)
                found.later.append(NewEffect(one, 0, "webhook", payload, receiver))
            case AskApproval(people=people, message=message, until=until):
                found.asked.append(Asking(one, people, message, until))
                words = message or f"The journey {one.journey} waits for your yes."
                found.later += _notices(library, one, people, words)
    return found


def _notices(library: Library, one: Enrollment, people: str, message: str) -> list[NewEffect]:
    targets = library.settings.people.get(people, (LOG,))
    payloads = [{"target": target, "message": message} for target in targets]
    return [
        NewEffect(one, ordinal, "notify", payload, receiver_of("notify", payload))
        for ordinal, payload in enumerate(payloads)
    ]


def _candidate(library: Library, one: Enrollment, journey: str) -> Candidate:
    """The other journey is tied by the same key where it has a key at all."""
    other = library.journeys.get(journey)
    key = one.key if other is not None and other.per is not None else ""
    occurrence = f"enrollment:{one.id}:{one.step}:{one.visit}"
    cause = f"{BY_STEP}{one.journey}"
    return Candidate(journey, one.customer_id, key, occurrence, one.event_id, cause)


def _set_traits(
    tx: Connection, told: Sequence[tuple[Enrollment, SetTraits]], now: datetime
) -> None:
    if told:
        learn(
            tx,
            [
                Told(one.customer_id, effect.traits, {}, f"journey:{one.journey}", now, now)
                for one, effect in told
            ],
            now,
        )
        note_changes(tx, [(one.customer_id, None) for one, _ in told])


def _event(library: Library, one: Enrollment, effect: EmitEvent, now: datetime) -> OwnEvent:
    """Tied to this enrollment by its key, so that the journey's own conditions see it."""
    graph = library.graph(one.version_id)
    per = graph.journey.per if graph else None
    key = nest(parse_path(per).keys, one.key) if per else {}
    ours = {**key, **effect.properties, "journey": one.journey, "enrollment_id": one.id}
    message_id = f"emit:{one.id}:{one.step}:{one.visit}"
    return OwnEvent(one.customer_id, effect.name, now, message_id, ours)
