"""Takes over the claims of processes that are gone, so that nothing they held is lost or sent
twice.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rekindle.clock import seconds_running
from rekindle.services import Services
from store.claims import claims, release, take_over
from store.database_time import ask_database_time
from store.messages import Sending
from store.permission_changes import forget_permission_changes, has_many_changes
from store.records import Message
from workers.channels import ChannelPool
from workers.counts import Counts
from workers.lease import is_gone, new_claim
from workers.settling import Rules, settle

DIED = "its process died between handing it over and hearing the answer"


@dataclass(frozen=True)
class Abandoned:
    """What to do with messages whose worker died: settle them as these results, or let them be sent
    as if nothing had been.
    """

    results: tuple[Sending, ...]
    again: tuple[Message, ...]


def sort_abandoned(messages: Sequence[Message], now: datetime) -> Abandoned:
    """Sent but not told: tell. Never handed over: again. Handed over without a result: uncertain,
    by the same rule as where a line broke; what may be repeated is due at once.
    """
    results, again = [], []
    for message in messages:
        if message.sent_at is not None:
            results.append(Sending(message.id, "sent", sent_at=message.sent_at))
        elif message.handed_over_at is None:
            again.append(replace(message, status="queued"))
        else:
            results.append(Sending(message.id, "uncertain", DIED, due_at=now))
    return Abandoned(tuple(results), tuple(again))


def retake_claims(
    services: Services, pool: ChannelPool, now: datetime, patience: timedelta = timedelta()
) -> Counts:
    """Settle or free every message held by a process that is gone.

    `patience`: for how long a claim must have been over, since it may only have been the database
    that was away, so that nobody could renew it.
    """
    with services.store.read() as connection:
        if not claims(connection):
            pool.suspects.clear()
            return Counts()
    rules = Rules(services.settings, pool.adapter.is_idempotent)
    with services.store.begin() as tx:
        gone = _find_gone(tx, pool, patience)
        name = new_claim()
        ids = {
            id_
            for holder, until in gone
            for id_ in take_over(tx, holder, until, name, pool.timing.lease)
        }
        messages = [message for message, _, _ in claims(tx) if message.id in ids]
        abandoned = sort_abandoned(messages, now)
        release(tx, abandoned.again, name, now)
        by_id = {message.id: message for message in messages}
        return settle(tx, name, by_id, abandoned.results, now, rules)


def _find_gone(
    tx: Connection, pool: ChannelPool, patience: timedelta
) -> Collection[tuple[str, datetime]]:
    """The claims that nobody holds any more, each with the end of its lease."""
    wall = ask_database_time(tx)
    over = {
        (holder, until)
        for _, holder, until in claims(tx)
        if holder not in pool.claims and is_gone(holder, until, wall)
    }
    seen = seconds_running()
    pool.suspects = {holder: pool.suspects.get(holder, seen) for holder, _ in over}
    return {
        (holder, until)
        for holder, until in over
        if wall < until or seen - pool.suspects[holder] >= patience.total_seconds()
    }


def forget_changes(services: Services) -> None:
    """What every worker has heard of by now; as long as there is little it only reads."""
    with services.store.read() as connection:
        if not has_many_changes(connection):
            return
    with services.store.begin() as tx:
        forget_permission_changes(tx)
