"""Gives each mail that may leave its place in what is paced: now, or in a later slot of time."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from journeys.definition import SERVICE
from journeys.pacing import (
    Ledger,
    begins_at,
    find_place,
    slot_length,
    slot_of,
    still_holds,
)
from journeys.permission import BUSY, PAUSED, RETIMED, Held, Refused
from rekindle.durations import write_duration
from rekindle.settings import Cap
from rekindle.workspace.library import Library
from store.pacing import lock_slots, take_slots
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

    Mails come with their addresses, in the order in which they get their places.
    """
    scopes = {
        message.id: _scopes(library, message, address, journeys.get(message.id), now)
        for message, address in allowed
    }
    seeking = [
        message
        for message, _ in allowed
        if (caps := scopes[message.id])
        and not still_holds(message.paced_at, list(caps.values()), now)
    ]
    if not seeking:
        return {}
    ledgers = _open(tx, [scopes[one.id] for one in seeking], now)
    waiting: dict[MessageId, Held | Refused] = {}
    for message in seeking:
        caps = scopes[message.id]
        _give_back(message, ledgers)
        place = find_place([ledgers[scope] for scope in caps], now)
        if place is None:
            waiting[message.id] = Refused(f"the pace leaves it no place: {_written(caps)}")
        elif place > now:
            waiting[message.id] = Held(place, f"paced: {_written(caps)}", place)
    take_slots(tx, {scope: _added(ledger) for scope, ledger in ledgers.items()})
    return waiting


def _give_back(message: Message, ledgers: Mapping[str, Ledger]) -> None:
    """A place that was missed is free again; the reason says in what it was taken."""
    for scope, ledger in ledgers.items():
        if message.paced_at is not None and f" {scope} " in message.reason:
            ledger.give_back(message.paced_at)


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
    """Whether it was delayed, then or now; what people wait for is sent at once, however late."""
    if message.topic == SERVICE:
        return False
    if message.paced_at is not None:  # it missed its place, or was late when it was held
        return True
    was_jammed = message.reason in (PAUSED, RETIMED) or message.reason.startswith(BUSY)
    return was_jammed or (message.due_at is not None and now - message.due_at > LATE_AFTER)


def _written(caps: Scopes) -> str:
    return ", ".join(
        f"{scope} {cap.count} per {write_duration(cap.within)}" for scope, cap in caps.items()
    )


def _open(tx: Connection, wanted: Sequence[Scopes], now: datetime) -> dict[str, Ledger]:
    caps = {scope: cap for scopes in wanted for scope, cap in scopes.items()}
    since = now - max(cap.within + slot_length(cap) for cap in caps.values())
    stored = lock_slots(tx, caps.keys(), since)
    return {scope: Ledger(cap, _numbered(cap, stored[scope])) for scope, cap in caps.items()}


def _numbered(cap: Cap, stored: Mapping[datetime, int]) -> dict[int, int]:
    """By number of the slot; rows of an older pace with other slots count where they begin."""
    found: dict[int, int] = {}
    for at, taken in stored.items():
        slot = slot_of(cap, at)
        found[slot] = found.get(slot, 0) + taken
    return found


def _added(ledger: Ledger) -> dict[datetime, int]:
    return {begins_at(ledger.cap, slot): count for slot, count in ledger.added.items()}
