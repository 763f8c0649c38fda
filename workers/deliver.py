"""Sends due messages: claim and ask leave in one transaction, render, hand over, record.

Each message bears two durable marks. The claim is a lease, renewed while its worker lives and
different each time: whatever a worker writes about a message is written only where the claim is
still its own. `handed_over_at` is committed for that one message before its last byte leaves; only
a message with that mark and no result is uncertain.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from journeys.permission import Allowed
from rekindle.clock import seconds_running
from rekindle.errors import StoreUnavailable
from rekindle.logs import get_logger
from rekindle.services import Services
from rekindle.workspace.library import Library
from store.claims import claim, give_way, lock_claimed, release, renew
from store.messages import Sending, lock_due
from store.permission_changes import PermissionWatch
from store.records import Message, MessageId
from workers.channels import A_CHANNEL, ChannelPool
from workers.composing import load_drafts, open_desk
from workers.counts import Counts
from workers.lease import new_claim
from workers.permit import permit_claims
from workers.providers import Outage, ask_gate, end_probe, pause_provider, resume_provider
from workers.queueing import apply_verdicts
from workers.sending import Batch, Outcome, work
from workers.settling import Rules, settle
from workers.unwritten import watch_writing

log = get_logger()

LATE = 2  # times the aim: what has not begun by then is let go
GIVES_WAY = timedelta(seconds=1)  # shorter than any pause
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between tries to write while the database is away


@dataclass(frozen=True)
class Claim:
    """Mails that are ours to send."""

    name: str
    library: Library
    now: datetime
    messages: Sequence[Message]
    addresses: Mapping[MessageId, str]
    watch: PermissionWatch
    is_probe: bool  # the first mail after a pause: what comes of it decides for all


def deliver_due(
    services: Services, pool: ChannelPool, now: datetime, ids: Sequence[int] | None = None
) -> Counts:
    """Send up to a batch of messages due at `now`, of `ids` where they are given."""
    if pool.stopping.is_set() or not (lines := pool.take_lines()):
        return Counts()
    name = new_claim()
    pool.claims.add(name)
    try:
        claimed, counts = _claim(services, pool, name, now, lines, ids)
        if claimed is not None:
            needed = min(lines, len(claimed.messages))
            pool.give_back(lines - needed)
            lines = needed
            counts += _Delivery(services, pool, claimed, lines).run()
        return counts
    finally:
        pool.give_back(lines)
        pool.claims.discard(name)


def _claim(
    services: Services,
    pool: ChannelPool,
    name: str,
    now: datetime,
    lines: int,
    ids: Sequence[int] | None,
) -> tuple[Claim | None, Counts]:
    provider, share = pool.adapter.name, lines / pool.adapter.connections
    limit_rows = A_CHANNEL * pool.adapter.connections if services.is_rehearsal else pool.most
    limit_rows = max(round(limit_rows * share), 1)
    with services.store.begin() as tx:
        watch = PermissionWatch.begin(tx)
        match ask_gate(tx, provider, now):
            case "paused":
                return None, Counts()
            case "probe":
                is_probe, limit_rows, ids = True, 1, None  # the oldest, so that nothing overtakes
            case "open":
                is_probe = False
        due = lock_due(tx, now, limit_rows, ids)
        library, now = services.library(tx), services.clock.now()
        makes_up = services.makes_up
        permitted = permit_claims(tx, library, due, now, makes_up=makes_up) if due else []
        counts = apply_verdicts(tx, permitted, now).counts
        allowed = [one.message for one in permitted if isinstance(one.verdict, Allowed)]
        addresses = {one.message.id: one.address for one in permitted}
        claim(tx, {one.id: addresses[one.id] for one in allowed}, name, pool.timing.lease)
        if is_probe and not allowed:
            end_probe(tx, provider, now)
    claimed = Claim(name, library, now, allowed, addresses, watch, is_probe)
    return (claimed if allowed else None), counts


@dataclass
class _Delivery:
    """The mails of one claim from here to their results."""

    services: Services
    pool: ChannelPool
    claim: Claim
    lines: int  # connections
    counts: Counts = field(default_factory=Counts)
    results: list[Sending] = field(default_factory=list)
    has_paused: bool = False  # the provider

    def __post_init__(self) -> None:
        self.by_id = {one.id: one for one in self.claim.messages}
        self.now = self.claim.now
        self.rules = Rules(self.claim.library.settings, self.pool.adapter.is_idempotent)
        self.began = self.renewed = seconds_running()

    def run(self) -> Counts:
        batch = self._open()
        try:
            self._send(batch)
        except BaseException:  # told to stop, or a mistake of ours: what is known is not lost
            self._finish_hands(batch)
            raise
        if batch.error is not None:
            raise batch.error
        if not self.services.is_rehearsal:  # nobody operates one
            watch_writing(self.services, self.claim.messages, self.results, self.now)
        return self.counts

    def _open(self) -> Batch:
        services, messages, library = self.services, self.claim.messages, self.claim.library
        try:
            drafts = load_drafts(services, library, messages, self.claim.addresses, self.now)
        except BaseException:
            self._release(messages)
            raise
        return Batch(
            store=services.store,
            load_library=services.library,
            claim=self.claim.name,
            desk=open_desk(services, library),
            pool=self.pool,
            watch=self.claim.watch,
            now=self.now,
            waiting=deque(drafts),
            threads=self.lines,
        )

    def _send(self, batch: Batch) -> None:
        if self.services.is_rehearsal:  # in this thread, so that it is the same each time
            batch.threads = 1
            work(batch)
        else:
            for _ in range(batch.threads):  # daemons: a hanging server does not keep us from ending
                threading.Thread(target=work, args=(batch,), name="deliver", daemon=True).start()
            self._watch_over(batch)
        self._write(batch)
        if batch.outage is None:
            took = timedelta(seconds=seconds_running() - self.began)
            self.pool.learn_size(len(self.results), took)
        if self.claim.is_probe and not self.has_paused:
            self._end_probe(batch)

    def _watch_over(self, batch: Batch) -> None:
        """While mails leave: renew the claim, and write what is known by now."""
        timing = self.pool.timing
        while batch.is_running:
            batch.changed.wait(timing.settle_every.total_seconds())
            batch.changed.clear()
            now = seconds_running()
            if self.pool.stopping.is_set():
                self._finish_hands(batch)
                return
            if now - self.began > LATE * timing.aim.total_seconds():
                batch.close("late")
            if batch.is_running:
                self._renew(now)
                self._write(batch, patience=0)

    def _finish_hands(self, batch: Batch) -> None:
        """Told to stop: what is not begun is let go at once, what is gone gets its answer if that
        comes in time.
        """
        timing, began = self.pool.timing, seconds_running()
        batch.close("stopping")
        while batch.is_running:
            limit = timing.answer_within if batch.is_awaited else timing.stop_within
            now = seconds_running()
            if now - began > limit.total_seconds():
                batch.abandon_hands()
                break
            self._renew(now)
            self._write(batch, patience=1)
            batch.changed.wait(timing.settle_every.total_seconds())
            batch.changed.clear()
        self._write(batch, patience=1)

    def _renew(self, now: float) -> None:
        if now - self.renewed < self.pool.timing.renew_every.total_seconds():
            return
        try:
            with self.services.store.begin() as tx:
                renew(tx, self.claim.name, self.pool.timing.lease)
        except Exception as error:  # the next look tries again; what is lost is noticed at the mark
            log.warning("claim.unrenewed", reason=type(error).__name__)
        else:
            self.renewed = now

    def _write(self, batch: Batch, patience: float | None = None) -> None:
        """Write what became of mails, however long the database is away; `patience`: so many
        seconds at most, and the rest later.
        """
        began, pause = seconds_running(), FIRST_PAUSE
        while self._has_news(batch):
            outcome = batch.take_fresh()
            try:
                self._write_once(outcome, batch.outage)
            except (StoreUnavailable, DBAPIError) as error:
                batch.put_back(outcome)
                log.warning("sending.unsettled", reason=type(error).__name__)
                limit = self._limit(patience)
                if limit is not None and seconds_running() - began >= limit:
                    return
                threading.Event().wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _limit(self, patience: float | None) -> float | None:
        is_stopping = self.pool.stopping.is_set()
        return self.pool.timing.stop_within.total_seconds() if is_stopping else patience

    def _has_news(self, batch: Batch) -> bool:
        is_outage_news = batch.outage is not None and not self.has_paused
        return is_outage_news or not batch.fresh.is_empty

    def _write_once(self, outcome: Outcome, outage: Outage | None) -> None:
        name, now = self.claim.name, self.now
        with self.services.store.begin() as tx:
            if outage is not None and not self.has_paused:
                self._pause_provider(tx, outage)  # before anybody can claim what is let go
            counts = settle(tx, name, self.by_id, outcome.results, now, self.rules)
            counts += self._take_back(tx, outcome)
            release(tx, outcome.unsent, name, now)
            # so that another one is tried after the pause: whether it goes tells whose fault it was
            give_way(tx, outcome.suspects, self.services.clock.now() + GIVES_WAY)
        self.has_paused = outage is not None
        self.counts += counts
        self.results += outcome.results

    def _take_back(self, tx: Connection, outcome: Outcome) -> Counts:
        """Mails whose permission was taken back before they left."""
        ids = [one.message.id for one in outcome.withdrawn]
        ours = lock_claimed(tx, ids, self.claim.name) if ids else {}
        release(tx, [one.message for one in outcome.withdrawn], self.claim.name, self.now)
        open_ = [
            one for one in outcome.withdrawn if (it := ours.get(one.message.id)) and it.is_open
        ]
        return apply_verdicts(tx, open_, self.now).counts

    def _release(self, messages: Sequence[Message]) -> None:
        with self.services.store.begin() as tx:
            release(tx, messages, self.claim.name, self.now)

    def _pause_provider(self, tx: Connection, outage: Outage) -> None:
        if not self.services.is_rehearsal:  # nobody operates one
            provider, now = self.pool.adapter.name, self.services.clock.now()
            digest, is_probe = self.pool.settings_digest, self.claim.is_probe
            pause_provider(tx, provider, outage, now, is_probe=is_probe, settings_digest=digest)

    def _end_probe(self, batch: Batch) -> None:
        provider, now = self.pool.adapter.name, self.services.clock.now()
        with self.services.store.begin() as tx:
            if batch.answers:
                resume_provider(tx, provider, now)
            else:  # the mail could not be written, or may not leave any more
                end_probe(tx, provider, now)
