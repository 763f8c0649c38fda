"""Gives each mail that may leave its place in what is paced: now, or at a later instant."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from journeys.definition import SERVICE
from journeys.pacing import Ledger, at_once, evenly, take_place
from journeys.permission import BUSY, ON_HOLD, PACED, PAUSED, RETIMED, Held, Refused
from rekindle.durations import write_duration
from rekindle.settings import Cap
from rekindle.workspace.library import Library
from store.pacing import lock_places, save_places
from store.records import NOBODY, Message, MessageId

LATE_AFTER = timedelta(hours=1)
LATE = "late"  # the scope of what an outage, a pause or a jam delayed

Scopes = Mapping[str, Cap]


def pace(
    tx: Connection,
    library: Library,
    allowed: Sequence[tuple[Message, str]],
    journeys: Mapping[MessageId, str],
    now: datetime,
) -> dict[MessageId, Held | Refused]:
    """Those of the allowed that must wait for their place, by message; the rest leave now.

    Mails come with their addresses, in the order in which they get their places; those that have
    one already go before all others.
    """
    scopes = {
        message.id: _scopes(library, message, address, journeys.get(message.id), now)
        for message, address in allowed
    }
    paced = [message for message, _ in allowed if scopes[message.id]]
    if not paced:
        return {}
    had_place = {one.id for one in paced if _had_place(one, scopes[one.id], now)}
    ledgers = _open(tx, [scopes[one.id] for one in paced], now)
    for message in paced:
        _give_back(message, ledgers)
    waiting: dict[MessageId, Held | Refused] = {}
    for message in sorted(paced, key=lambda one: one.id not in had_place):
        caps = scopes[message.id]
        asked = [ledgers[scope] for scope in caps]
        place = take_place(asked, now, is_next=message.id in had_place)
        if place is None:
            waiting[message.id] = Refused(f"the pace leaves it no place: {_written(caps)}")
        elif place > now:
            waiting[message.id] = Held(place, f"{PACED}{_written(caps)}", place)
    save_places(tx, {scope: ledger.changed for scope, ledger in ledgers.items()})
    return waiting


def _had_place(message: Message, caps: Scopes, now: datetime) -> bool:
    """Whether it waited for this instant, in all that paces it, and nobody slept too long."""
    place = _place_of(message)
    is_of_all = all(_names(message, scope) for scope in caps)
    return place is not None and is_of_all and now - place <= LATE_AFTER


def _give_back(message: Message, ledgers: Mapping[str, Ledger]) -> None:
    """Its place: it leaves now, or gets another one."""
    if (place := _place_of(message)) is not None:
        for scope, ledger in ledgers.items():
            if _names(message, scope):
                ledger.give_back(place)


def _place_of(message: Message) -> datetime | None:
    return message.paced_at if message.reason.startswith(PACED) else None


def _names(message: Message, scope: str) -> bool:
    """The reason for which it is held says in what it has its place."""
    return f" {scope} " in message.reason


def _scopes(
    library: Library, message: Message, address: str, journey: str | None, now: datetime
) -> dict[str, Cap]:
    """What paces this mail; our own people's are not paced."""
    if message.customer_id == NOBODY:
        return {}
    paces = library.settings.pace
    domain = address.rpartition("@")[2].lower()
    current = library.journeys.get(journey) if journey else None
    found = {
        "provider": paces.provider,
        f"domain:{domain}": paces.domains.get(domain, paces.domain),
        f"journey:{journey}": current.pace if current else None,
        LATE: paces.late if is_late(message, now) else None,
    }
    return {scope: cap for scope, cap in found.items() if cap is not None}


def is_late(message: Message, now: datetime) -> bool:
    """Whether it was delayed, then or now; what people wait for is sent at once, however late.

    What is held without a place but with an instant was late when it was held.
    """
    if message.topic == SERVICE:
        return False
    if message.due_at is not None and now - message.due_at > LATE_AFTER:
        return True
    if message.reason.startswith(PACED):
        return _names(message, LATE)
    was_jammed = message.reason in (PAUSED, RETIMED, ON_HOLD) or message.reason.startswith(BUSY)
    return was_jammed or (message.status == "held" and message.paced_at is not None)


def _written(caps: Scopes) -> str:
    return ", ".join(
        f"{scope} {cap.count} per {write_duration(cap.within)}" for scope, cap in caps.items()
    )


def _open(tx: Connection, wanted: Sequence[Scopes], now: datetime) -> dict[str, Ledger]:
    caps = {scope: cap for scopes in wanted for scope, cap in scopes.items()}
    grains = {scope: evenly(cap) if scope == LATE else at_once(cap) for scope, cap in caps.items()}
    stored = lock_places(tx, {scope: now - cap.within for scope, cap in caps.items()})
    return {scope: Ledger(cap, grains[scope], stored[scope]) for scope, cap in caps.items()}
