"""Which journeys stand still, and stopping those whose mails come back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from journeys.definition import SERVICE
from journeys.permission import PAUSED
from rekindle.errors import NotFound
from rekindle.settings import Breaker
from rekindle.workspace.library import Library
from store.alarms import COMPLAINTS, STOPPED, clear_alarms, raise_alarm, restate_alarm
from store.contacts import Fates, count_fates, free_held, journeys_of
from store.inside import wake_journey
from store.interventions import last_resumed, record_intervention
from store.journey_states import (
    JourneyState,
    find_stopped,
    load_journey_states,
    save_journey_state,
)
from store.pending import FreshEvent
from store.records import MessageId

CAME_BACK = ("message.bounced", "message.complained")
WATCHED = timedelta(days=7)


def paused_journeys(tx: Connection, library: Library) -> set[str]:
    """Those in which nobody advances: as their files say, or because they were stopped."""
    said = {name for name, one in library.journeys.items() if one.status == "paused"}
    return said | find_stopped(tx).keys()


def stop_journey(tx: Connection, library: Library, name: str, why: str, now: datetime) -> None:
    """As if paused, until somebody lets it go on or applies a new version. Raises NotFound."""
    _stop(tx, library, name, why, now)
    record_intervention(tx, "stopped", {"journey": name, "why": why}, now)


def _stop(tx: Connection, library: Library, name: str, why: str, now: datetime) -> None:
    state = _state(tx, library, name)
    save_journey_state(tx, replace(state, stopped_at=now, stopped=why))


def resume_journey(tx: Connection, library: Library, name: str, now: datetime) -> None:
    """Let a stopped journey go on. Raises NotFound."""
    state = _state(tx, library, name)
    save_journey_state(tx, replace(state, stopped_at=None, stopped="", resumed_at=now))
    record_intervention(tx, "resumed", {"journey": name}, now)
    let_go(tx, name, now)


def let_go(tx: Connection, name: str, now: datetime) -> None:
    """After a pause everybody inside is looked at, and what was held for it is asked again."""
    wake_journey(tx, name, now)
    free_held(tx, name, PAUSED, now)
    clear_alarms(tx, STOPPED, [name], now)
    clear_alarms(tx, COMPLAINTS, [name], now)


def _state(tx: Connection, library: Library, name: str) -> JourneyState:
    version_id = library.versions.get(("journey", name))
    if version_id is None:
        raise NotFound(f"no journey is called {name!r}.")
    journey = library.journeys[name]
    fresh = JourneyState(name, version_id, journey.status, journey.backfill)
    return load_journey_states(tx).get(name, fresh)


def trip_breakers(
    tx: Connection, library: Library, fresh: Sequence[FreshEvent], now: datetime
) -> None:
    """Stop the journeys of mails that just came back, if too many of theirs do; and all that do not
    serve, if too many of all do.
    """
    ids = {
        MessageId(id_)
        for one in fresh
        if one.name in CAME_BACK and isinstance(id_ := one.properties.get("message"), int)
    }
    if not ids:
        return
    breaker, since = library.settings.breaker, now - WATCHED
    running = library.journeys.keys() - paused_journeys(tx, library)
    for name in sorted(journeys_of(tx, ids) & running):
        fates = count_fates(tx, name, max(since, last_resumed(tx, name) or since))
        if why := too_many(fates, breaker):
            _trip(tx, library, name, why, now)
        elif why := nearly_too_many(fates, breaker):
            words = f"the journey {name} may soon stop itself: {why}."
            raise_alarm(tx, COMPLAINTS, name, words, now)
            restate_alarm(tx, COMPLAINTS, name, words)
    fates = count_fates(tx, None, max(since, last_resumed(tx) or since))
    if why := too_many(fates, breaker):
        for name in sorted(running - paused_journeys(tx, library)):
            if library.journeys[name].topic != SERVICE:
                _trip(tx, library, name, f"of all journeys {why}", now)


def _trip(tx: Connection, library: Library, name: str, why: str, now: datetime) -> None:
    _stop(tx, library, name, why, now)
    raise_alarm(tx, STOPPED, name, f"the journey {name} stopped itself: {why}.", now)


def too_many(fates: Fates, breaker: Breaker) -> str | None:
    """What is too much about mails that came back, or None."""
    if fates.went >= breaker.after and fates.bounced_hard > breaker.bounces * fates.went:
        return f"{fates.bounced_hard} of {fates.went} mails bounced for good"
    return _complaints(fates, breaker.complaints, breaker)


def nearly_too_many(fates: Fates, breaker: Breaker) -> str | None:
    """What is worth a warning, or None."""
    return _complaints(fates, breaker.complaints_warn, breaker)


def _complaints(fates: Fates, share: float, breaker: Breaker) -> str | None:
    if fates.delivered < breaker.after or fates.complained <= share * fates.delivered:
        return None
    return f"{fates.complained} of {fates.delivered} mails complained"
