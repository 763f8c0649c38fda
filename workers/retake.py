"""Takes over the claims of processes that are gone, so that nothing they held is lost or sent
twice.
"""

from dataclasses import dataclass
from datetime import datetime

from journeys.definition import SERVICE
from rekindle.services import Services
from store.messages import Sending, claims, reclaim
from store.records import Message
from workers.channels import ChannelPool
from workers.counts import Counts
from workers.lease import is_gone
from workers.settling import settle


@dataclass(frozen=True)
class Abandoned:
    """What to do with a message whose worker died: settle it, or let it be sent (again)."""

    settle: tuple[Sending, ...]
    again: tuple[Message, ...]


def sort_abandoned(messages: list[Message], *, is_idempotent: bool) -> Abandoned:
    """Sent but not told: tell. Never handed over: again. Handed over without a result: uncertain,
    unless repeating is harmless (the provider keeps one of each, or it is service mail under one
    Message-ID).
    """
    settled = []
    again = []
    for one in messages:
        if one.sent_at is not None:
            settled.append(Sending(one.id, "sent", sent_at=one.sent_at))
        elif one.handed_over_at is None or is_idempotent or one.topic == SERVICE:
            again.append(one)
        else:
            why = "its process died between handing it over and hearing the answer"
            settled.append(Sending(one.id, "uncertain", why))
    return Abandoned(tuple(settled), tuple(again))


def retake_claims(services: Services, pool: ChannelPool, now: datetime) -> Counts:
    """Settle or free every message held by a process that is gone."""
    with services.store.read() as connection:
        if not claims(connection):
            return Counts()
    wall = services.clock.wall()
    with services.store.begin() as tx:
        messages = [one for one, holder, until in claims(tx) if is_gone(holder, until, wall)]
        abandoned = sort_abandoned(messages, is_idempotent=pool.adapter.is_idempotent)
        reclaim(tx, [one.id for one in abandoned.again], now)
        return settle(tx, messages, abandoned.settle, now)
