"""Sends due messages: claim and ask leave in one transaction, render, hand over, record.

Each message bears two durable marks. The claim is a lease. `handed_over_at` is committed for that
one message before its last byte leaves; only a message with that mark and no result is uncertain.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy import Connection

from adapters.email.base import Channel, OutgoingEmail
from journeys.definition import SERVICE
from journeys.permission import Allowed
from rekindle.errors import (
    HandoverUncertain,
    ProviderDeferred,
    ProviderRefused,
    ProviderUnavailable,
    Unsupported,
)
from rekindle.services import Services
from store.messages import (
    Sending,
    claim,
    load_stored,
    lock_due,
    mark_handed_over,
    save_sendings,
    store_mails,
)
from store.records import Message, MessageId
from workers.channels import ChannelPool
from workers.composing import compose_all
from workers.counts import Counts
from workers.lease import LEASE, worker_name
from workers.permit import Permitted, permit
from workers.queueing import apply_verdicts
from workers.settling import settle

log = structlog.get_logger()

A_CHANNEL = 100  # messages claimed at once for each connection


@dataclass
class Batch:
    """The messages of one claim on their way out; filled by several threads."""

    services: Services
    now: datetime
    waiting: list[OutgoingEmail]
    results: list[Sending] = field(default_factory=list)
    unavailable: str | None = None  # why the provider takes nothing at the moment
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_email(self) -> OutgoingEmail | None:
        with self.lock:
            return self.waiting.pop() if self.waiting and not self.unavailable else None

    def add(self, result: Sending) -> None:
        with self.lock:
            self.results.append(result)


def deliver_due(
    services: Services, pool: ChannelPool, now: datetime, ids: Sequence[int] | None = None
) -> Counts:
    """Send up to a batch of messages due at `now`, of `ids` where they are given."""
    library = services.library()
    limit_rows = A_CHANNEL * pool.adapter.connections
    with services.store.begin() as tx:
        due = lock_due(tx, now, limit_rows, ids)
        permitted = permit(tx, library, due, now) if due else []
        counts = apply_verdicts(tx, permitted, now).counts
        allowed = [one for one in permitted if isinstance(one.verdict, Allowed)]
        claim(tx, {one.message.id: one.address for one in allowed}, worker_name(), _until(services))
    if not allowed:
        return counts
    results = _send_all(services, pool, allowed, now)
    with services.store.begin() as tx:
        counts += settle(tx, [one.message for one in allowed], results, now)
    services.wake.changed()
    return counts


def _until(services: Services) -> datetime:
    return services.clock.wall() + LEASE


def _send_all(
    services: Services, pool: ChannelPool, allowed: Sequence[Permitted], now: datetime
) -> list[Sending]:
    messages = [one.message for one in allowed]
    addresses = {one.message.id: one.address for one in allowed}
    stored = _stored(services, messages)
    emails, failed = compose_all(services, messages, addresses, stored, now)
    _keep_service_mails(services, messages, emails, stored)
    batch = Batch(services, now, list(reversed(emails)), results=list(failed))
    threads = min(pool.adapter.connections, len(emails)) or 1
    with ThreadPoolExecutor(threads, "deliver") as executor:
        for running in [executor.submit(_work, pool, batch) for _ in range(threads)]:
            running.result()
    return [*batch.results, *_put_back(batch)]


def _stored(services: Services, messages: Sequence[Message]) -> Mapping[MessageId, bytes]:
    """Service mails that were handed over before leave again as the same bytes."""
    repeated = [one.id for one in messages if one.topic == SERVICE]
    if not repeated:
        return {}
    with services.store.read() as connection:
        return load_stored(connection, repeated)


def _keep_service_mails(
    services: Services,
    messages: Sequence[Message],
    emails: Sequence[OutgoingEmail],
    stored: Mapping[MessageId, bytes],
) -> None:
    service = {one.id for one in messages if one.topic == SERVICE} - set(stored)
    fresh = {MessageId(one.message_id): one.mime for one in emails if one.message_id in service}
    if fresh:
        with services.store.begin() as tx:
            store_mails(tx, fresh)


def _work(pool: ChannelPool, batch: Batch) -> None:
    """One connection's share: take the next mail, hand it over, remember how it went."""
    unsaved: list[Sending] = []
    with pool.channel() as channel:
        while (email := batch.next_email()) is not None:
            result = _hand_over(channel, email, batch, unsaved)
            batch.add(result)
            unsaved = [result] if result.status == "sent" else []


def _hand_over(
    channel: Channel, email: OutgoingEmail, batch: Batch, unsaved: Sequence[Sending]
) -> Sending:
    """`unsaved`: the result of the mail before, durable in the same commit as this one's mark."""
    id_ = MessageId(email.message_id)

    def mark(tx: Connection) -> None:
        save_sendings(tx, unsaved)
        mark_handed_over(tx, id_, batch.now)

    try:
        provider_id = channel.send(email, lambda: batch.services.store.submit(mark).result())
    except (ProviderRefused, Unsupported) as error:
        return Sending(id_, "refused", str(error))
    except ProviderDeferred as error:  # this mail only; the next may go
        return Sending(id_, "queued", str(error))
    except ProviderUnavailable as error:
        batch.unavailable = str(error)
        return Sending(id_, "queued", str(error))
    except HandoverUncertain as error:
        return Sending(id_, "uncertain", str(error))
    return Sending(id_, "sent", sent_at=batch.now, provider_message_id=provider_id or None)


def _put_back(batch: Batch) -> list[Sending]:
    """What was not tried because the provider is not there: tried again like the one that found
    out.
    """
    if not batch.unavailable:
        return []
    log.warning("provider.unavailable", reason=batch.unavailable, messages=len(batch.waiting) + 1)
    return [
        Sending(MessageId(one.message_id), "queued", batch.unavailable) for one in batch.waiting
    ]
