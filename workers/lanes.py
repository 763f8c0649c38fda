"""What the lanes of this process are at: a thread of its own writes it down again and again, since
a lane that hangs cannot tell so itself. `rekindle.lanes` reads it, in whichever process.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from rekindle.clock import seconds_running
from rekindle.errors import RekindleError
from rekindle.lane import Lane
from rekindle.logs import get_logger
from rekindle.services import Services
from store.lanes import LaneState, forget_lanes, save_lanes
from workers.calls import CallLane
from workers.lease import worker_name

log = get_logger()

SAY_SECONDS = 5.0
FORGOTTEN_AFTER = timedelta(days=1)


@dataclass
class Piece:
    """What one thread is at."""

    lane: Lane
    what: str
    began: float


class Pulse:
    """What the threads of this process are at."""

    def __init__(self) -> None:
        self._pieces: dict[int, Piece] = {}
        self._finished: dict[Lane, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def working(self, lane: Lane, what: str) -> Iterator[None]:
        """This thread is at it until the end of the block."""
        me = threading.get_ident()
        with self._lock:
            self._pieces[me] = Piece(lane, what, seconds_running())
        try:
            yield
        finally:
            with self._lock:
                del self._pieces[me]

    def beat(self) -> None:
        """A piece came to something, and this thread goes on with the next."""
        with self._lock:
            if piece := self._pieces.get(threading.get_ident()):
                piece.began = self._finished[piece.lane] = seconds_running()

    def state(self, lane: Lane, threads: int, now: datetime) -> LaneState:
        with self._lock:
            pieces = [piece for piece in self._pieces.values() if piece.lane is lane]
            finished = self._finished.get(lane)
        oldest = min(pieces, key=lambda piece: piece.began, default=None)
        return LaneState(
            worker_name(), lane.value, threads, len(pieces),
            _instant(oldest.began if oldest else None, now), oldest.what if oldest else "",
            _instant(finished, now), now,
        )  # fmt: skip


def state_of_calls(calls: CallLane, now: datetime) -> LaneState:
    """The same of a lane that makes calls."""
    busy, began, receiver, finished = calls.look()
    return LaneState(
        worker_name(), calls.lane.value, calls.limits.in_all, busy,
        _instant(began, now), receiver, _instant(finished, now), now,
    )  # fmt: skip


def _instant(seconds: float | None, now: datetime) -> datetime | None:
    return None if seconds is None else now - timedelta(seconds=seconds_running() - seconds)


class Reporter:
    """The thread that says how the lanes of this process are."""

    def __init__(
        self, services: Services, pulse: Pulse, threads: Mapping[Lane, int],
        calls: Iterable[CallLane],
    ) -> None:  # fmt: skip
        self._services, self._pulse, self._threads = services, pulse, threads
        self._calls = {lane.lane: lane for lane in calls}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="lanes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(SAY_SECONDS)
        before = self._services.clock.now() - FORGOTTEN_AFTER
        try:
            with self._services.store.begin() as tx:
                forget_lanes(tx, worker_name(), before)
        except RekindleError as error:  # it is found to be gone all the same
            log.warning("lanes.unsaid", reason=str(error))

    def say(self) -> None:
        now = self._services.clock.now()
        states = [
            state_of_calls(self._calls[lane], now)
            if lane in self._calls
            else self._pulse.state(lane, threads, now)
            for lane, threads in self._threads.items()
        ]
        with self._services.store.begin() as tx:
            save_lanes(tx, states)

    def _go_on(self) -> None:
        while True:
            try:
                self.say()
            except Exception as error:  # whatever it is: the next time it may go
                log.warning("lanes.unsaid", reason=f"{type(error).__name__}: {error}")
            if self._ended.wait(SAY_SECONDS):
                return
