"""The only place that asks what time it is; everything else is told.

Where several machines work on one database server, its clock is the only one that counts.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """`now` is the engine's time; `wall` is the real one, for leases between processes only."""

    def now(self) -> datetime: ...

    def wall(self) -> datetime: ...


def wall_now() -> datetime:
    """The machine's time, aware and in UTC."""
    return datetime.now(UTC)


def seconds_running() -> float:
    """Seconds that only run forward, from any start: for deadlines."""
    return time.monotonic()


def processor_seconds() -> float:
    """Seconds that the processor has worked for this thread: for bounds on one piece of work."""
    return time.thread_time()


Source = Callable[[], datetime]
ANCHOR_HOLDS_SECONDS = 1.0
# runs on while the machine sleeps, where there is such a clock
_FORWARD = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _forward_seconds() -> float:
    return time.clock_gettime(_FORWARD)


@dataclass
class DatabaseTime:
    """The time of a database server, asked once a second and run on by a clock of this machine that
    only goes forward: whether this machine shows the right time, jumps or steps means nothing.

    While the server does not answer it runs on as it was. Raises what `ask` does if it never did.
    """

    ask: Source
    forward: Callable[[], float] = _forward_seconds
    _anchor: tuple[datetime, float] | None = None  # an instant, and what `forward` said then
    _asked: float = float("-inf")
    _asking: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> datetime:
        if self._is_wanted() and self._asking.acquire(blocking=self._anchor is None):
            try:
                if self._is_wanted():
                    self._drop_anchor()
            finally:
                self._asking.release()
        assert self._anchor is not None  # dropped by now, or that has raised
        instant, seconds = self._anchor
        return instant + timedelta(seconds=self.forward() - seconds)

    def _is_wanted(self) -> bool:
        """While somebody else asks for the first time there is nothing to go by yet."""
        return self._anchor is None or not 0 <= self.forward() - self._asked < ANCHOR_HOLDS_SECONDS

    def _drop_anchor(self) -> None:
        self._asked = began = self.forward()
        try:
            instant = self.ask()
        except Exception:  # whatever keeps it from answering
            if self._anchor is None:
                raise
        else:
            self._anchor = instant, (began + self.forward()) / 2


@dataclass(frozen=True)
class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return wall_now()

    def wall(self) -> datetime:
        return wall_now()


@dataclass
class FixedClock:
    """Stands still until it is moved: for tests, for one command at `--now`, for playing history
    forward.
    """

    at: datetime
    source: Source = wall_now

    def now(self) -> datetime:
        return self.at

    def wall(self) -> datetime:
        return self.source()

    def move(self, step: timedelta) -> None:
        self.at += step


@dataclass(frozen=True)
class RunningClock:
    """Started at `--now` and running on from there: for servers."""

    offset: timedelta
    source: Source = wall_now
    began_at: datetime | None = None  # where it was told to start

    @classmethod
    def started_at(cls, instant: datetime, source: Source = wall_now) -> "RunningClock":
        return cls(instant - source(), source, instant)

    def now(self) -> datetime:
        return self.source() + self.offset

    def wall(self) -> datetime:
        return self.source()


def based_on(source: Source, clock: Clock) -> Clock:
    """The same clock with `source` in the place of this machine's time."""
    match clock:
        case SystemClock():
            return RunningClock(timedelta(), source)
        case RunningClock(began_at=datetime() as began_at):
            return RunningClock.started_at(began_at, source)
        case RunningClock():
            return replace(clock, source=source)
        case FixedClock():
            clock.source = source
        case _:  # one that a test made
            pass
    return clock
