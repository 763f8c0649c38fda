"""Gives each mail that may leave its place in what is paced: now, or at a later instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import Connection

from journeys.definition import SERVICE
from journeys.pacing import Grain, Paced, at_once, evenly, take_place
from journeys.permission import (
    ASK_SOON,
    BUSY,
    CLOSES,
    ON_HOLD,
    OPENS,
    PACED,
    PAUSED,
    RETIMED,
    Held,
    Refused,
)
from rekindle.durations import write_duration
from rekindle.settings import Cap
from rekindle.workspace.library import Library
from store.contacts import find_relief
from store.holds import last_release
from store.journey_states import load_journey_states
from store.pacing import Places, lock_places, save_places
from store.records import NOBODY, Message, MessageId
from store.tables import EPOCH

LATE_AFTER = timedelta(hours=1)
LATE = "late"  # the scope of what an outage, a pause or a jam delayed

PLACES_OF = "places of "  # a scope's other ledger: when mails would leave if nobody ever slept

Scopes = Mapping[str, Cap]


@dataclass(frozen=True)
class Pacer:
    """Gives the mails of one claim their places.

    With `makes_up` a mail has its place from when it was to leave. Else it has one from now on if
    nobody looked then: a server that comes back lets what it slept through leave evenly, while
    whoever looks now and then has only this moment.
    """

    tx: Connection
    library: Library
    now: datetime
    makes_up: bool

    def pace(
        self, allowed: Sequence[tuple[Message, str]], journeys: Mapping[MessageId, str]
    ) -> dict[MessageId, Held | Refused]:
        """Those of the allowed that must wait for their place, by message; the rest leave now.

        Mails come with their addresses, in the order in which they get their places; those that
        have one already go before all others.
        """
        scopes = {
            message.id: _scopes(self.library, message, address, journeys.get(message.id), self.now)
            for message, address in allowed
        }
        paced = [message for message, _ in allowed if scopes[message.id]]
        if not paced:
            return {}
        ledgers = _open(self.tx, [scopes[message.id] for message in paced], self.now)
        for message in paced:
            _give_back(message, ledgers)
        jams = find_jams(self.tx, self.library, paced, journeys, self.now) if self.makes_up else {}
        waiting: dict[MessageId, Held | Refused] = {}
        for message in sorted(paced, key=lambda message: not self._keeps_place(message)):
            caps = scopes[message.id]
            placed = {scope for scope in caps if self._has_place(message, scope)}
            ready_at = self._ready_at(message, is_placed=len(placed) == len(caps), jams=jams)
            unplaced = [ledgers[scope] for scope in caps if scope not in placed]
            place = take_place([ledgers[scope] for scope in caps], unplaced, ready_at, self.now)
            if place is None:
                waiting[message.id] = Refused(f"the pace leaves it no place: {_written(caps)}")
            elif place > self.now:
                waiting[message.id] = Held(place, f"{PACED}{_written(caps)}", place)
        save_places(self.tx, _changes(ledgers))
        return waiting

    def _has_place(self, message: Message, scope: str) -> bool:
        return self._keeps_place(message) and _names(message, scope)

    def _keeps_place(self, message: Message) -> bool:
        """Whether it waited for this instant, and nobody slept too long."""
        place = _place_of(message)
        return place is not None and (self.makes_up or self.now - place <= LATE_AFTER)

    def _ready_at(
        self, message: Message, *, is_placed: bool, jams: Mapping[MessageId, datetime]
    ) -> datetime:
        """Since when it could have left, as far as it is anybody's business."""
        if message.due_at is None or not (self.makes_up or is_placed):
            return self.now
        return min(max(message.due_at, jams.get(message.id, message.due_at)), self.now)


def find_jams(
    tx: Connection,
    library: Library,
    paced: Sequence[Message],
    journeys: Mapping[MessageId, str],
    now: datetime,
) -> dict[MessageId, datetime]:
    """When that ended which kept these mails and many others: a hold, a pause, a busy support."""
    released_at = last_release(tx)
    resumed = {name: state.resumed_at for name, state in load_journey_states(tx).items()}
    quiet_at = _find_quiet(tx, library, paced, now)
    found = {}
    for message in paced:
        journey = journeys.get(message.id, "")
        ends = [released_at, resumed.get(journey)]
        if message.reason.startswith(BUSY) and quiet_at is not None:
            ends.append(_asked_again(message, quiet_at))
        found[message.id] = max((end for end in ends if end is not None), default=EPOCH)
    return found


def _asked_again(message: Message, since: datetime) -> datetime:
    """The first time from `since` on at which somebody who looks all the time would have asked."""
    assert message.due_at is not None  # it is due
    rounds = max(ceil((since - message.due_at) / ASK_SOON), 0)
    return message.due_at + rounds * ASK_SOON


def _find_quiet(
    tx: Connection, library: Library, paced: Sequence[Message], now: datetime
) -> datetime | None:
    """Since when support has had time again, where mails waited for that."""
    support = library.settings.support
    if support is None or not any(message.reason.startswith(BUSY) for message in paced):
        return None
    return find_relief(tx, OPENS, CLOSES, support.open_tickets, now)


def _changes(ledgers: Mapping[str, Paced]) -> Places:
    left = {scope: ledger.left.changed for scope, ledger in ledgers.items()}
    places = {f"{PLACES_OF}{scope}": ledger.places.changed for scope, ledger in ledgers.items()}
    return {**left, **places}


def _give_back(message: Message, ledgers: Mapping[str, Paced]) -> None:
    """What it has of what may leave at its instant: it leaves now, or gets another one."""
    if (place := _place_of(message)) is not None:
        for scope, ledger in ledgers.items():
            if _names(message, scope):
                ledger.left.give_back(place)


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


def _open(tx: Connection, wanted: Sequence[Scopes], now: datetime) -> dict[str, Paced]:
    caps = {scope: cap for scopes in wanted for scope, cap in scopes.items()}
    since = {scope: now - cap.within for scope, cap in caps.items()}
    both = {**since, **{f"{PLACES_OF}{scope}": at for scope, at in since.items()}}
    stored = lock_places(tx, both)
    return {
        scope: Paced.load(
            cap, _grain(scope, cap), places=stored[f"{PLACES_OF}{scope}"], left=stored[scope]
        )
        for scope, cap in caps.items()
    }


def _grain(scope: str, cap: Cap) -> Grain:
    return evenly(cap) if scope == LATE else at_once(cap)
