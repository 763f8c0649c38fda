"""Calls out: webhooks, and notices through notification services.

One thread of a lane claims what is due and writes down how it went; each call has a thread of its
own. So whoever does not answer holds no more than their own few threads, and the lane itself never
waits for anybody outside. Calls go to each receiver a few at a time, and to one that fails after a
rest.

A claim is renewed for as long as the thread of its call runs. A call whose process died, or whose
answer did not come in time, is made again under the same id; nothing else is made twice.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Connection

from adapters.reach import Reach
from adapters.webhook import call_webhook
from rekindle.clock import seconds_running
from rekindle.errors import ProviderUnavailable, RekindleError
from rekindle.lane import Lane
from rekindle.logs import get_logger
from rekindle.services import Services
from rekindle.workspace.library import Library
from store.effects import (
    DueEffect,
    claim_effects,
    find_unnamed,
    finish_effect,
    let_go,
    list_claims,
    list_receivers,
    name_receivers,
    put_off,
    renew_claims,
    take_as_done,
)
from store.enrollments import find_place
from store.holds import find_hold
from store.receivers import Receiver
from workers.call_results import Book, Call, Outcome
from workers.lease import is_gone, new_claim
from workers.notices import NOTICE_SECONDS, Errand, is_row, prepare_notice
from workers.receivers import is_on_trial, receiver_of

log = get_logger()

KINDS: Mapping[Lane, str] = {Lane.WEBHOOKS: "webhook", Lane.NOTICES: "notify"}
LEASE = timedelta(seconds=60)
ROWS_AT_ONCE = 100  # of notices that are done within the transaction


@dataclass(frozen=True)
class Limits:
    """How many calls at once, and how long is long."""

    a_receiver: int = 4
    leaked: int = 8  # threads of a receiver that never came back; then nobody calls it any more
    in_all: int = 32
    grace_seconds: float = 5.0  # after its deadline until a call hangs
    abandon_seconds: float = 20 * 60.0  # until one that hangs is given up, and tried again
    renew_seconds: float = 20.0  # a third of the lease
    look_seconds: float = 1.0  # how often running calls are looked after


class CallLane:
    """The lane of one kind of calls in this process."""

    def __init__(self, services: Services, lane: Lane, limits: Limits | None = None) -> None:
        self.services, self.lane, self.kind = services, lane, KINDS[lane]
        self.limits = limits or Limits()
        self._news: SimpleQueue[Outcome | None] = SimpleQueue()
        self._running: dict[str, Call] = {}  # by claim and effect; also those that hang
        self._abandoned: Counter[str] = Counter()  # threads that never came back, by receiver
        self._hanging: set[str] = set()  # keys of running calls that were told as failures
        self._unsettled: list[Outcome] = []
        self._has_news = True
        self._queued = 0  # emails of this round, with notices to our people
        self._renewed = seconds_running()
        self._finished: float | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # --- from other threads

    def start(self) -> None:
        """Work in a thread of its own until it is stopped."""
        self._thread = threading.Thread(target=self._work, name=self.lane.value, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have it look for what is due."""
        self._news.put(None)

    def stop(self, seconds: float) -> None:
        """Claim nothing more, and wait so long for what runs: the rest is made again elsewhere."""
        self._stopping.set()
        self._news.put(None)
        if self._thread is not None:
            self._thread.join(seconds)

    def look(self) -> tuple[int, float | None, str, float | None]:
        """Return how many calls run, since when the oldest does and to whom, and when one last
        ended.
        """
        running = list(self._running.values())
        oldest = min(running, key=lambda call: call.claimed, default=None)
        receiver = f"{self.kind} to {oldest.effect.receiver}" if oldest else ""
        return len(running), oldest.claimed if oldest else None, receiver, self._finished

    # --- in its thread

    def run_until_idle(self, now: datetime) -> int:
        """Make every call that is due, in order of their instants; how many came to something.

        Whoever hangs is left to whoever comes next.
        """
        if self.services.is_rehearsal:
            with self.services.store.begin() as tx:
                return take_as_done(tx, self.kind, now) if find_hold(tx) is None else 0
        self._has_news = True
        total = self._round(now)
        while self._has_news or len(self._running) > len(self._hanging):
            self._hear(0 if self._has_news else self.limits.look_seconds)
            total += self._round(now)
        return total

    def _work(self) -> None:
        while not (self._stopping.is_set() and self._is_done()):
            self._hear(self.limits.look_seconds if self._running else 5.0)
            try:
                self._round(self.services.clock.now())
            except RekindleError as error:
                self._rest_a_moment(str(error))
            except Exception as error:
                self._rest_a_moment(f"{type(error).__name__}: {error}")

    def _rest_a_moment(self, reason: str) -> None:
        """What is known is kept until it can be written."""
        log.error("work.failed", actor=self.lane.value, reason=reason)
        self._has_news = True
        self._stopping.wait(1.0)

    def _is_done(self) -> bool:
        return len(self._running) <= len(self._hanging) and not self._unsettled

    def _hear(self, seconds: float) -> None:
        """Wait for news so long, then take all there is."""
        try:
            news = self._news.get(timeout=seconds) if seconds else self._news.get_nowait()
            while True:
                self._has_news = True
                if news is not None:
                    self._note(news)
                news = self._news.get_nowait()
        except Empty:
            pass

    def _note(self, outcome: Outcome) -> None:
        key = _key(outcome.call)
        self._hanging.discard(key)
        if self._running.pop(key, None) is None:  # given up in the meantime
            self._abandoned[outcome.call.effect.receiver] -= 1
            return
        self._unsettled.append(outcome)

    def _round(self, now: datetime) -> int:
        """Write down what is known, renew what runs, claim what may be called and call it."""
        late = self._find_late()
        is_renewal = self._running and seconds_running() - self._renewed > self.limits.renew_seconds
        if not (self._unsettled or late or is_renewal or self._has_news):
            return 0
        outcomes, self._has_news, self._queued = list(self._unsettled), False, 0
        with self.services.store.begin() as tx:
            book = Book(tx, self.kind, now)
            for outcome in outcomes:
                book.settle(outcome)
            for call in late:
                book.tell_late(call)
            book.close()
            if self._running:
                renew_claims(tx, {call.claim for call in self._running.values()}, now + LEASE)
            may_claim = not self._stopping.is_set() and find_hold(tx) is None
            calls = self._claim(tx, book, now) if may_claim else []
        self._unsettled = self._unsettled[len(outcomes) :]
        if outcomes or self._queued:
            self._finished = seconds_running()
        self._renewed = seconds_running()
        for call in calls:
            self._begin(call)
        if self._queued:
            self.services.wake.has_work(Lane.EMAILS)
        return len(outcomes) + self._queued

    def _find_late(self) -> list[Call]:
        """Running calls whose time is over, each told once; those of which there is no hope are
        given up.
        """
        late = []
        for key, call in list(self._running.items()):
            if call.age > call.seconds + self.limits.grace_seconds and key not in self._hanging:
                self._hanging.add(key)
                late.append(call)
            if call.age > self.limits.abandon_seconds:
                del self._running[key]
                self._hanging.discard(key)
                self._abandoned[call.effect.receiver] += 1
                error = ProviderUnavailable(f"it did not end within {call.age / 60:.0f} minutes.")
                self._unsettled.append(Outcome(call, error))
        return late

    def _claim(self, tx: Connection, book: Book, now: datetime) -> list[Call]:
        """Claim what there are free threads for, and prepare it."""
        unnamed = find_unnamed(tx, self.kind)
        name_receivers(tx, {id_: receiver_of(self.kind, row) for id_, row in unnamed.items()})
        running = Counter(call.effect.receiver for call in self._running.values())
        free = self.limits.in_all - (len(self._running) - len(self._hanging))
        claim = new_claim()
        calls: list[Call] = []
        for receiver in list_receivers(tx, self.kind):
            known = book.failing.get(receiver)
            if known is not None and known.is_resting(now):
                put_off(tx, self.kind, receiver, now, known.resting_until or now)
                continue
            most = self._most_of(receiver, known) - running[receiver]
            if not is_row(receiver):
                most = min(most, free)
            if most <= 0:
                continue
            due = claim_effects(tx, self.kind, receiver, now, most, claim, now + LEASE)
            self._has_news = self._has_news or (is_row(receiver) and len(due) == most)
            prepared = [*self._prepare(tx, claim, due)] if due else []
            free -= len(prepared)
            calls += prepared
        return calls

    def _most_of(self, receiver: str, known: Receiver | None) -> int:
        """How many calls at once, those that hang included."""
        if is_row(receiver):
            return ROWS_AT_ONCE
        if self._abandoned[receiver] >= self.limits.leaked:
            return 0
        if is_on_trial(known):
            hanging = (self._running[key].effect.receiver for key in self._hanging)
            return min(self.limits.a_receiver, 1 + Counter(hanging)[receiver])
        return self.limits.a_receiver

    def _prepare(self, tx: Connection, claim: str, due: Sequence[DueEffect]) -> Iterator[Call]:
        """What is left to do without the database; what fails already is told with the rest."""
        library, now = self.services.library(tx), self.services.clock.now()
        seconds = self._seconds(library)
        for effect in due:
            try:
                with tx.begin_nested():
                    errand = _prepare(tx, library, effect, now)
            except RekindleError as error:
                self._unsettled.append(Outcome(Call(effect, claim, _nothing, seconds), error))
                self._has_news = True
                continue
            if errand is None:
                finish_effect(tx, effect.id, claim, "done")
                self._queued += 1
            else:
                yield Call(effect, claim, errand, seconds)

    def _seconds(self, library: Library) -> float:
        if self.lane is Lane.NOTICES:
            return NOTICE_SECONDS
        return library.settings.webhook.timeout.total_seconds()

    def _begin(self, call: Call) -> None:
        self._running[_key(call)] = call
        name = f"{self.lane.value}: {call.effect.receiver}"
        threading.Thread(target=self._call, args=(call,), name=name, daemon=True).start()

    def _call(self, call: Call) -> None:
        """In a thread of its own. Whoever was put to sleep for so long that the claim may be
        another's does not begin.
        """
        if call.age > LEASE.total_seconds() / 2:
            self._news.put(Outcome(call, is_begun=False))
            return
        error: RekindleError | None = None
        try:
            call.errand()
        except RekindleError as failure:
            error = failure
        except Exception as failure:  # plugins of others; the row is tried again
            error = RekindleError(f"it failed ({type(failure).__name__}).")
        self._news.put(Outcome(call, error))


def retake_effects(services: Services, now: datetime) -> None:
    """Let go of what is claimed by processes of this machine that are gone; elsewhere the lease has
    to end first.
    """
    with services.store.read() as connection:
        claims = list_claims(connection)
    wall = services.clock.wall()
    gone = {
        id_: claim
        for id_, claim in claims.items()
        if is_gone(claim.partition("#")[0], wall + LEASE, wall)  # older versions: `name#1`
    }
    if gone:
        with services.store.begin() as tx:
            for id_, claim in gone.items():
                let_go(tx, id_, claim, now)


def _prepare(tx: Connection, library: Library, effect: DueEffect, now: datetime) -> Errand | None:
    if effect.kind != "webhook":
        return prepare_notice(tx, library, effect, now)
    place = find_place(tx, effect.enrollment_id)
    body = effect.payload.get("body")
    told: dict[str, Any] = {
        "type": "journey.step",
        "timestamp": now.isoformat(),
        "data": {
            "journey": place.journey,
            "step": effect.step,
            "customer": place.external_id,
            "key": place.key,
            "event": dict(place.event),
            **(body if isinstance(body, Mapping) else {}),
        },
    }
    settings = library.settings.webhook
    secret, seconds = settings.secret.get_secret_value(), settings.timeout.total_seconds()
    url, message_id = str(effect.payload["url"]), f"effect_{effect.id}"

    def call() -> None:
        reach = Reach.of(settings.allow)  # looks names up: not while a transaction is open
        call_webhook(
            url, told, secret, message_id=message_id, now=now, seconds=seconds, reach=reach
        )

    return call


def _nothing() -> None: ...


def _key(call: Call) -> str:
    return f"{call.claim}/{call.effect.id}"
