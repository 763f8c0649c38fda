"""Keeps connections to the provider open between batches, as many as it allows, and knows how many
mails they take.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from adapters.email.base import Channel, EmailAdapter

FIRST, A_CHANNEL = 10, 100  # mails claimed at once for each connection: at first, and at most
GROWTH = 4  # times as many at most
MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Timing:
    """How long a claim lasts and is worked on. Tests take shorter ones."""

    lease: timedelta = timedelta(seconds=60)  # after which a claim that nobody renews is taken over
    renew_every: timedelta = timedelta(seconds=15)
    # for the mails of one claim: what is stopped, suppressed or applied is to reach soon what
    # comes next, and a process that is killed leaves little behind
    aim: timedelta = timedelta(seconds=5)
    settle_every: timedelta = timedelta(seconds=1)
    # after an outage of the database a claim may have ended only because nobody could renew it
    patience: timedelta = timedelta(seconds=10)
    # when told to stop: for mails that have begun, and for the answer about those that are gone
    stop_within: timedelta = timedelta(seconds=8)
    answer_within: timedelta = timedelta(seconds=40)


class ChannelPool:
    """Open channels of one adapter; a channel serves one thread at a time."""

    def __init__(
        self, adapter: EmailAdapter, timing: Timing = Timing(), settings_digest: str | None = None
    ) -> None:
        self.adapter = adapter
        self.settings_digest = settings_digest  # of those that the adapter was made with
        self.timing = timing
        self.stopping = threading.Event()  # nothing new is begun
        self.claims: set[str] = set()  # that this process is working on
        self.suspects: dict[str, float] = {}  # claims seen to have ended: when first
        self._size = FIRST * adapter.connections  # grows with what leaves
        self._idle: list[Channel] = []
        self._lock = threading.Lock()
        self._free = adapter.connections  # lines that no batch uses
        self._freed = threading.Condition()

    @property
    def most(self) -> int:
        """How many mails to claim at once."""
        return self._size

    def learn_size(self, mails: int, took: timedelta) -> None:
        """So many mails took so long: claim what leaves in a few seconds."""
        connections = self.adapter.connections
        possible = round(max(mails, connections) * (self.timing.aim / max(took, MOMENT)))
        if mails >= self._size or possible < self._size:  # a few quick mails say nothing of many
            most = min(GROWTH * self._size, A_CHANNEL * connections)
            self._size = min(max(possible, connections), most)

    def take_lines(self) -> int:
        """As many connections as nobody uses, for one batch; the batches of a process share those
        that the provider allows. 0 where all stay busy for a while: whoever has them goes on with
        what is due.
        """
        with self._freed:
            self._freed.wait_for(lambda: self._free, self.timing.settle_every.total_seconds())
            taken, self._free = self._free, 0
            return taken

    def give_back(self, lines: int) -> None:
        """A batch needs these no more."""
        with self._freed:
            self._free += lines
            self._freed.notify()

    @contextmanager
    def channel(self) -> Iterator[Channel]:
        """A channel for this thread, kept for the next one unless it was dropped in between."""
        with self._lock:
            channel = self._idle.pop() if self._idle else self.adapter.open()
        try:
            yield channel
        finally:
            with self._lock:
                self._idle.append(channel)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for channel in idle:
            channel.close()
