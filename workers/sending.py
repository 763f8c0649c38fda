"""Hands the mails of one claim over, on as many connections as the provider allows, and knows how
each went.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from adapters.email.base import Channel
from adapters.email.track_record import TransactionFailed
from journeys.permission import Allowed
from rekindle.errors import (
    HandoverUncertain,
    ProviderDeferred,
    ProviderFault,
    ProviderRefused,
    ProviderUnavailable,
    TemplateFailed,
    Unsupported,
    UnsupportedAddress,
)
from rekindle.logs import get_logger
from rekindle.workspace.library import Library
from store.messages import Sending
from store.permission_changes import PermissionWatch
from store.records import Message, MessageId
from store.session import Store
from workers.channels import ChannelPool
from workers.composing import Desk, Draft, Written
from workers.ledger import Entry, Ledger, NotMarked, NotOurs
from workers.permit import Permitted, permit_again
from workers.providers import Outage

log = get_logger()

UNANSWERED = "this process was told to stop before the provider had answered"
Closed = Literal["", "provider", "database", "stopping", "late", "error"]
# what may be so on one connection of several
OF_ONE_CONNECTION: tuple[ProviderFault, ...] = ("connection", "rate", "server")


@dataclass
class Outcome:
    """What became of some mails of a claim since it was last asked."""

    results: list[Sending] = field(default_factory=list)
    withdrawn: list[Permitted] = field(default_factory=list)
    unsent: list[Message] = field(default_factory=list)  # never begun, or begun in vain
    suspects: list[MessageId] = field(default_factory=list)  # of these, perhaps to blame for it

    @property
    def is_empty(self) -> bool:
        return not (self.results or self.withdrawn or self.unsent)

    def put_back(self, other: "Outcome") -> None:
        self.results += other.results
        self.withdrawn += other.withdrawn
        self.unsent += other.unsent
        self.suspects += other.suspects


@dataclass
class Batch:
    """The mails of one claim on their way out; filled by several threads."""

    store: Store
    load_library: Callable[[Connection], Library]  # what is applied by now
    claim: str
    desk: Desk
    pool: ChannelPool
    watch: PermissionWatch
    now: datetime
    waiting: deque[Draft]
    threads: int  # that are at work
    closed: Closed = ""  # why no further mail is begun
    outage: Outage | None = None  # why the provider is to be paused
    troubles: list[Outage] = field(default_factory=list)  # of single connections
    error: Exception | None = None  # a programmer's mistake
    answers: int = 0  # of the provider, whatever it said about a mail
    held: dict[MessageId, Draft] = field(
        default_factory=dict
    )  # nobody knows yet what becomes of it
    fresh: Outcome = field(default_factory=Outcome)
    changed: threading.Event = field(default_factory=threading.Event)  # something for the driver
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.held = {draft.message.id: draft for draft in self.waiting}
        self.ledger = Ledger(self.store, self.claim, self.now, self.find_withdrawn)

    def next_draft(self) -> Draft | None:
        if self.pool.stopping.is_set():
            self.close("stopping")
        with self.lock:
            return self.waiting.popleft() if self.waiting else None

    def close(self, why: Closed) -> None:
        """Begin no further mail: what waits is let go at once."""
        with self.lock:
            self.closed = self.closed or why
            for draft in self.waiting:
                self.not_sent(draft)
            self.waiting.clear()
        self.changed.set()

    def not_sent(self, draft: Draft, *, is_suspect: bool = False) -> None:
        """Never begun, or nothing of it is with the provider; `is_suspect`: it may be the only one
        that fails.
        """
        with self.lock:
            if self.held.pop(draft.message.id, None) is not None:
                self.fresh.unsent.append(draft.message)
                self.fresh.suspects += [draft.message.id] * is_suspect

    def add(self, result: Sending, *, is_answer: bool = False) -> None:
        with self.lock:
            self.answers += is_answer
            if self.held.pop(result.message_id, None) is not None:  # else it was decided meanwhile
                self.fresh.results.append(result)

    def lose(self, draft: Draft) -> None:
        """Not ours any more, so that nothing is written about it."""
        with self.lock:
            self.held.pop(draft.message.id, None)

    def stop_trying(self, outage: Outage) -> None:
        """One connection gets nowhere; the others only where it can be no different with them: a
        server that takes two connections of four is used with two.
        """
        with self.lock:
            self.troubles.append(outage)
            if outage.retry_after is not None or outage.fault not in OF_ONE_CONNECTION:
                self.outage = self.outage or outage
        if self.outage:
            self.close("provider")

    def leave(self) -> None:
        """One thread ends, maybe the last one that could do anything."""
        with self.lock:
            self.threads -= 1
            is_stuck = bool(self.waiting) or not self.answers
            if not self.threads and self.troubles and is_stuck:
                self.outage = self.outage or self.troubles[-1]
                self.close("provider")
        self.changed.set()

    @property
    def is_running(self) -> bool:
        return self.threads > 0

    @property
    def is_awaited(self) -> bool:
        """Whether a mail is gone whose answer is not there yet."""
        with self.lock:
            return not self.held.keys().isdisjoint(self.ledger.marked)

    def abandon_hands(self) -> None:
        """Be done without the answers: what is gone may have arrived; the rest is let go where it
        is sure that it cannot leave any more.
        """
        is_sure = self.ledger.close()
        with self.lock:
            for draft in list(self.held.values()):
                if draft.message.id in self.ledger.marked:
                    self.add(Sending(draft.message.id, "uncertain", UNANSWERED))
                elif is_sure:
                    self.not_sent(draft)

    def take_fresh(self) -> Outcome:
        with self.lock:
            taken, self.fresh = self.fresh, Outcome()
            return taken

    def put_back(self, outcome: Outcome) -> None:
        """It could not be written; later."""
        with self.lock:
            self.fresh.put_back(outcome)

    def find_withdrawn(self, tx: Connection) -> Collection[MessageId]:
        """Ask permission again for whatever has not left and whom a change concerns. Mails for
        which the answer is not yes are taken out.
        """
        with self.lock:
            staying = self.held.keys() - self.ledger.marked
            held = [self.held[id_].message for id_ in sorted(staying)]
        with self.watch.hearing(tx, {one.customer_id for one in held}) as concerned:
            asked = [one for one in held if one.customer_id in concerned]
            answers = permit_again(tx, self.load_library(tx), asked, self.now) if asked else []
        denied = {one.message.id: one for one in answers if not isinstance(one.verdict, Allowed)}
        with self.lock:
            self.waiting = deque(one for one in self.waiting if one.message.id not in denied)
            for id_, permitted in denied.items():
                if self.held.pop(id_, None) is not None:
                    self.fresh.withdrawn.append(permitted)
        return denied.keys()


def work(batch: Batch) -> None:
    """One connection's share: write the next mail, hand it over, remember how it went."""
    try:
        with batch.pool.channel() as channel:
            line = Line(channel, batch)
            while line.is_usable and (draft := batch.next_draft()) is not None:
                line.send(draft)
    except Exception as error:  # a programmer's mistake: nothing is known of the mail in hand
        batch.error = error
        batch.close("error")
    finally:
        batch.leave()


@dataclass
class Line:
    """One connection with a mail on it."""

    channel: Channel
    batch: Batch
    is_usable: bool = True
    unsaved: Sending | None = None  # of the mail before, durable in the commit of the next mark

    def send(self, draft: Draft) -> None:
        """Say to the batch what becomes of the mail."""
        batch, id_ = self.batch, draft.message.id
        try:
            written = batch.desk.write(draft)
        except UnsupportedAddress as error:
            batch.add(Sending(id_, "refused", str(error)))
            return
        except (TemplateFailed, Unsupported) as error:
            batch.add(Sending(id_, "refused", str(error), is_unwritten=True))
            return
        try:
            result = self._hand_over(draft, written)
        except NotMarked as error:
            log.warning("sending.unmarked", message=id_, reason=str(error))
            batch.not_sent(draft)
            batch.close("database")
        except NotOurs:
            batch.lose(draft)
        except ProviderUnavailable as error:
            self._give_up(Outage(error.fault, str(error), error.retry_after))
            batch.not_sent(draft, is_suspect=isinstance(error, TransactionFailed))
        except HandoverUncertain as error:
            batch.add(Sending(id_, "uncertain", str(error)))
            self._give_up(Outage("connection", str(error)))
        else:
            batch.add(result, is_answer=True)
            self.unsaved = result if result.status == "sent" else None

    def _hand_over(self, draft: Draft, written: Written) -> Sending:
        """What the provider answered about the mail."""
        id_, ledger = draft.message.id, self.batch.ledger
        entry = Entry(id_, self.unsaved, written, is_kept=draft.is_kept)
        try:
            provider_id = self.channel.send(written.email, lambda: ledger.write(entry))
        except ProviderDeferred as error:
            return Sending(id_, "queued", str(error))
        except ProviderRefused as error:
            status = "bounced" if error.is_bounce else "refused"
            return Sending(id_, status, str(error), is_hard=error.is_hard, code=error.status)
        except Unsupported as error:
            return Sending(id_, "refused", str(error))
        return Sending(id_, "sent", sent_at=self.batch.now, provider_message_id=provider_id or None)

    def _give_up(self, outage: Outage) -> None:
        self.is_usable = False
        self.batch.stop_trying(outage)
