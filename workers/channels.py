"""Keeps connections to the provider open between batches, as many as it allows."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from adapters.email.base import Channel, EmailAdapter


class ChannelPool:
    """Open channels of one adapter; a channel serves one thread at a time."""

    def __init__(self, adapter: EmailAdapter) -> None:
        self.adapter = adapter
        self._idle: list[Channel] = []
        self._lock = threading.Lock()

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
