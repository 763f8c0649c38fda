"""Hands mails over, on as many connections as the provider allows, and knows how each went."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from adapters.email.base import Channel
from rekindle.errors import (
    HandoverUncertain,
    ProviderDeferred,
    ProviderRefused,
    ProviderUnavailable,
    TemplateFailed,
    Unsupported,
)
from store.messages import Sending
from store.records import MessageId
from store.session import Store
from workers.channels import ChannelPool
from workers.composing import Desk, Draft, Written
from workers.ledger import Entry, Ledger

log = structlog.get_logger()


@dataclass
class Batch:
    """The mails of one claim on their way out; filled by several threads."""

    desk: Desk
    ledger: Ledger
    now: datetime
    waiting: list[Draft]
    results: list[Sending] = field(default_factory=list)
    unavailable: str | None = None  # why the provider takes nothing at the moment
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_draft(self) -> Draft | None:
        with self.lock:
            return self.waiting.pop() if self.waiting and not self.unavailable else None

    def add(self, result: Sending) -> None:
        with self.lock:
            self.results.append(result)


def send_all(
    store: Store, pool: ChannelPool, desk: Desk, drafts: Sequence[Draft], now: datetime
) -> list[Sending]:
    """Try each mail once; what became of it, in any order."""
    batch = Batch(desk, Ledger(store, now), now, list(reversed(drafts)))
    threads = min(pool.adapter.connections, len(drafts))
    if threads == 1:  # a mail on its own does not wait for a thread to start
        _work(pool, batch)
    else:
        with ThreadPoolExecutor(threads, "deliver") as executor:
            for running in [executor.submit(_work, pool, batch) for _ in range(threads)]:
                running.result()
    return [*batch.results, *_put_back(batch)]


def _work(pool: ChannelPool, batch: Batch) -> None:
    """One connection's share: write the next mail, hand it over, remember how it went."""
    unsaved: Sending | None = None
    with pool.channel() as channel:
        while (draft := batch.next_draft()) is not None:
            try:
                written = batch.desk.write(draft)
            except (TemplateFailed, Unsupported) as error:
                batch.add(Sending(draft.message.id, "refused", str(error), is_unwritten=True))
                continue
            result = _hand_over(channel, draft, written, batch, unsaved)
            batch.add(result)
            unsaved = result if result.status == "sent" else None


def _hand_over(
    channel: Channel, draft: Draft, written: Written, batch: Batch, unsaved: Sending | None
) -> Sending:
    """`unsaved`: the result of the mail before, durable in the same commit as this one's mark."""
    id_ = draft.message.id
    entry = Entry(id_, unsaved, written, is_kept=draft.is_kept)
    try:
        provider_id = channel.send(written.email, lambda: batch.ledger.write(entry))
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
        Sending(MessageId(one.message.id), "queued", batch.unavailable) for one in batch.waiting
    ]
