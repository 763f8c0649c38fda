"""Does what decisions ask for: rows in the same transaction, and what leaves the house later."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog
from sqlalchemy import Connection

from adapters.webhook import call_webhook
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
from rekindle.errors import ProviderRefused, RekindleError, TemplateFailed
from rekindle.services import Services
from rekindle.workspace.library import Library
from segments.subjects import BY_STEP
from store.alarms import raise_alarm
from store.approvals import Asking, ask_approvals
from store.effects import DueEffect, NewEffect, add_effects, claim_due_effects, finish_effect
from store.enrollments import find_place
from store.events import note_changes
from store.holds import find_hold
from store.intake import OwnEvent, record_own_events
from store.knowledge import Told, learn
from store.records import Enrollment
from workers.counts import Counts
from workers.notices import prepare_notice
from workers.queueing import Queued, queue_mails
from workers.starts import Candidate, begin

log = structlog.get_logger()

BATCH = 100
LEASE = timedelta(minutes=5)  # after which an effect whose process died is tried again
RETRY_AFTER = timedelta(minutes=5)  # doubled after each try: eleven hours in all
MOST_ATTEMPTS = 8
LOG = "log:"

EffectKind = Literal["webhook", "notify"]
Errand = Callable[[], None]  # what must not hold a transaction; raises RekindleError
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
                found.later.append(NewEffect(one, 0, "webhook", payload))
            case AskApproval(people=people, message=message, until=until):
                found.asked.append(Asking(one, people, message, until))
                words = message or f"The journey {one.journey} waits for your yes."
                found.later += _notices(library, one, people, words)
    return found


def _notices(library: Library, one: Enrollment, people: str, message: str) -> list[NewEffect]:
    targets = library.settings.people.get(people, (LOG,))
    return [
        NewEffect(one, ordinal, "notify", {"target": target, "message": message})
        for ordinal, target in enumerate(targets)
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
    key = {per: one.key} if per else {}
    ours = {**key, **effect.properties, "journey": one.journey, "enrollment_id": one.id}
    message_id = f"emit:{one.id}:{one.step}:{one.visit}"
    return OwnEvent(one.customer_id, effect.name, now, message_id, ours)


# --- later, outside of any transaction


def do_effects(services: Services, now: datetime, kind: EffectKind) -> int:
    """Do up to a batch of due effects, none while everything is held; how many were due. A failing
    one is tried again, later each time, and in the end has failed for good, with an alarm.
    """
    with services.store.begin() as tx:
        if find_hold(tx) is not None:
            return 0
        due = claim_due_effects(tx, kind, now, BATCH, now + LEASE)
        library, now = services.library(tx), services.clock.now()
        errands = {} if services.is_rehearsal else _prepare_all(tx, library, due, now)
    results = {id_: _run(errand) for id_, errand in errands.items()}
    with services.store.begin() as tx:
        for effect in due:
            _finish(tx, effect, results.get(effect.id), now)
    return len(due)


def _prepare_all(
    tx: Connection, library: Library, due: Sequence[DueEffect], now: datetime
) -> dict[int, Errand]:
    return {effect.id: _prepare(tx, library, effect, now) for effect in due}


def _prepare(tx: Connection, library: Library, effect: DueEffect, now: datetime) -> Errand:
    """What is left to do without the database; what fails already fails when it is run."""
    try:
        with tx.begin_nested():
            if effect.kind == "webhook":
                return _webhook(tx, library, effect, now)
            return prepare_notice(tx, library, effect, now)
    except RekindleError as error:
        return _failing(error)


def _failing(error: RekindleError) -> Errand:
    def fail() -> None:
        raise error

    return fail


def _webhook(tx: Connection, library: Library, effect: DueEffect, now: datetime) -> Errand:
    place = find_place(tx, effect.enrollment_id)
    told: dict[str, Any] = {
        "type": "journey.step",
        "timestamp": now.isoformat(),
        "data": {
            "journey": place.journey,
            "step": effect.step,
            "customer": place.external_id,
            "key": place.key,
            "event": dict(place.event),
            **_mapping(effect.payload.get("body")),
        },
    }
    secret = library.settings.webhook.secret.get_secret_value()
    url, message_id = str(effect.payload["url"]), f"effect_{effect.id}"
    return lambda: call_webhook(url, told, secret, message_id=message_id, now=now)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _run(errand: Errand) -> RekindleError | None:
    try:
        errand()
    except RekindleError as error:
        return error
    return None


def _finish(tx: Connection, effect: DueEffect, error: RekindleError | None, now: datetime) -> None:
    if error is None:
        finish_effect(tx, effect.id, "done")
        return
    is_final = isinstance(error, TemplateFailed | ProviderRefused)
    if is_final or effect.attempts + 1 >= MOST_ATTEMPTS:
        finish_effect(tx, effect.id, "failed", error=str(error))
        place = find_place(tx, effect.enrollment_id)
        subject = f"{place.journey}/{effect.step}"
        words = f"a {effect.kind} of the journey {place.journey} failed: {error}"
        raise_alarm(tx, "effect.failed", subject, words, now)
        log.error("effect.failed", effect=effect.id, kind=effect.kind)
        return
    due_at = now + RETRY_AFTER * 2**effect.attempts
    finish_effect(tx, effect.id, "due", error=str(error), due_at=due_at)
    log.warning("effect.delayed", effect=effect.id, kind=effect.kind)
