"""Sends due messages: claim and ask leave in one transaction, render, hand over, record.

Each message bears two durable marks. The claim is a lease. `handed_over_at` is committed for that
one message before its last byte leaves; only a message with that mark and no result is uncertain.
"""

from collections.abc import Sequence
from datetime import datetime

from journeys.permission import Allowed
from rekindle.services import Services
from store.messages import claim, lock_due
from workers.channels import ChannelPool
from workers.composing import load_drafts, open_desk
from workers.counts import Counts
from workers.lease import LEASE, worker_name
from workers.permit import permit_claims
from workers.queueing import apply_verdicts
from workers.sending import send_all
from workers.settling import settle
from workers.unwritten import watch_writing

A_CHANNEL = 100  # messages claimed at once for each connection


def deliver_due(
    services: Services, pool: ChannelPool, now: datetime, ids: Sequence[int] | None = None
) -> Counts:
    """Send up to a batch of messages due at `now`, of `ids` where they are given."""
    limit_rows = A_CHANNEL * pool.adapter.connections
    until = services.clock.wall() + LEASE
    with services.store.begin() as tx:
        due = lock_due(tx, now, limit_rows, ids)
        library, now = services.library(tx), services.clock.now()
        permitted = permit_claims(tx, library, due, now) if due else []
        counts = apply_verdicts(tx, permitted, now).counts
        allowed = [one.message for one in permitted if isinstance(one.verdict, Allowed)]
        addresses = {one.message.id: one.address for one in permitted}
        claim(tx, {one.id: addresses[one.id] for one in allowed}, worker_name(), until)
    if not allowed:
        return counts
    drafts = load_drafts(services, library, allowed, addresses, now)
    results = send_all(services.store, pool, open_desk(services, library), drafts, now)
    with services.store.begin() as tx:
        counts += settle(tx, allowed, results, now)
    if not services.is_rehearsal:  # nobody operates one
        watch_writing(services, allowed, results, now)
    return counts
