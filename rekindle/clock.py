"""The only place that asks what time it is; everything else is told."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """`now` is the engine's time; `wall` is this machine's, for leases between processes only."""

    def now(self) -> datetime: ...

    def wall(self) -> datetime: ...


def wall_now() -> datetime:
    """The machine's time, aware and in UTC."""
    return datetime.now(UTC)


def seconds_running() -> float:
    """Seconds that only run forward, from any start: for deadlines."""
    return time.monotonic()


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

    def now(self) -> datetime:
        return self.at

    def wall(self) -> datetime:
        return wall_now()

    def move(self, step: timedelta) -> None:
        self.at += step


@dataclass(frozen=True)
class RunningClock:
    """Started at `--now` and running on from there: for servers."""

    offset: timedelta
    source: Callable[[], datetime] = wall_now

    @classmethod
    def started_at(cls, instant: datetime) -> "RunningClock":
        return cls(instant - wall_now())

    def now(self) -> datetime:
        return self.source() + self.offset

    def wall(self) -> datetime:
        return self.source()
