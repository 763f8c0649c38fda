"""Which lanes stand still and which receivers fail, from what all processes say of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rekindle.lane import Lane
from store.effects import count_waiting
from store.lanes import LaneState, Waiting, load_lanes, load_waiting
from store.receivers import Receiver, load_receivers

SILENT_AFTER = timedelta(minutes=1)  # then a process is taken for gone, or frozen
QUIET_AFTER = timedelta(minutes=2)  # something was due all the time, and nothing was done
# one piece of work takes this long at most: a round of an evaluation, a batch of emails
HANGS_AFTER: Mapping[Lane, timedelta] = {
    Lane.JOURNEYS: timedelta(minutes=5),
    Lane.EMAILS: timedelta(minutes=2),
    Lane.WEBHOOKS: timedelta(minutes=2),
    Lane.NOTICES: timedelta(minutes=2),
}
UNDONE: Mapping[Lane, str] = {
    Lane.JOURNEYS: "nobody has gone on in a journey",
    Lane.EMAILS: "no email has left",
    Lane.WEBHOOKS: "no webhook was called",
    Lane.NOTICES: "no notice was given",
}


@dataclass(frozen=True)
class Standstill:
    """A lane that does not do what is due."""

    lane: Lane
    since: datetime
    said: str


def find_standstills(connection: Connection, now: datetime) -> list[Standstill]:
    """Return the lanes that stand still at `now`, of all processes. Where none has ever run, or all
    were stopped in good order, there are none.
    """
    said = load_lanes(connection)
    if not said:
        return []
    alive = [state for state in said if now - state.said_at < SILENT_AFTER]
    waiting = load_waiting(connection, now)
    found = (
        judge(lane, [one for one in alive if one.lane == lane], waiting[lane.value], now)
        for lane in Lane
    )
    return [standstill for standstill in found if standstill is not None]


def judge(
    lane: Lane, states: list[LaneState], waiting: Waiting, now: datetime
) -> Standstill | None:
    """Decide whether a lane stands still, from what its living processes say and what waits."""
    is_late = waiting.oldest_due_at is not None and now - waiting.oldest_due_at > QUIET_AFTER
    if not states:
        if not is_late or waiting.oldest_due_at is None:
            return None
        said = f"no worker serves the lane {lane.value}, {_due(waiting)}."
        return Standstill(lane, waiting.oldest_due_at, said)
    hung = [state for state in states if _hangs(lane, state, now)]
    if hung and hung[0].busy_since is not None:
        first = min(hung, key=lambda state: state.busy_since or now)
        busy = f"{first.busy} of {first.threads} threads"
        since = first.busy_since or now
        said = (
            f"the lane {lane.value} hangs since {_clock(since)} ({first.busy_with}; {busy} of"
            f" {_process(first.holder)} are busy, and {waiting.count} wait)."
        )
        return Standstill(lane, since, said)
    done = [state.progress_at for state in states if state.progress_at is not None]
    since = max([*done, *([waiting.oldest_due_at] if waiting.oldest_due_at else [])], default=now)
    if is_late and now - since > QUIET_AFTER:
        said = f"{UNDONE[lane]} since {_clock(since)}, {_due(waiting)}."
        return Standstill(lane, since, said)
    return None


def _hangs(lane: Lane, state: LaneState, now: datetime) -> bool:
    """Calls have a thread each: one that hangs holds up no other, unless all of them do."""
    if state.busy_since is None or now - state.busy_since < HANGS_AFTER[lane]:
        return False
    return lane in (Lane.JOURNEYS, Lane.EMAILS) or state.busy >= state.threads


def _due(waiting: Waiting) -> str:
    since = _clock(waiting.oldest_due_at) if waiting.oldest_due_at else "now"
    return f"though {waiting.count} {'is' if waiting.count == 1 else 'are'} due since {since}"


def _clock(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _process(holder: str) -> str:
    host, _, rest = holder.partition("/")
    return f"process {rest.partition('/')[0]} on {host}"


def find_failing_receivers(connection: Connection) -> list[tuple[Receiver, str]]:
    """Return those that take nothing at present, each with a sentence that says so."""
    failing = [one for one in load_receivers(connection) if one.resting_until is not None]
    return [(receiver, _in_words(connection, receiver)) for receiver in failing]


def _in_words(connection: Connection, receiver: Receiver) -> str:
    what = "webhooks to" if receiver.kind == "webhook" else "notices through"
    count = count_waiting(connection, receiver.kind, receiver.name)
    until = receiver.resting_until
    again = f", the next call is at {_clock(until)}" if until else ""
    return (
        f"{what} {receiver.name} fail since {_clock(receiver.failing_since)}:"
        f" {receiver.error} {count} {'waits' if count == 1 else 'wait'}{again}."
    )
