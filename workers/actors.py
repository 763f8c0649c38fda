"""The actors: a few lines each, ids in, the database asked for everything else; every one is safe
to run twice. Each lane has a queue of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import dramatiq
from dramatiq import Broker
from dramatiq.middleware import Interrupt

from rekindle.errors import RekindleError, describe
from rekindle.lane import Lane
from rekindle.logs import get_logger
from rekindle.services import Services
from workers.advance import advance_due
from workers.brokers import has_unread
from workers.calls import CallLane
from workers.changes import follow_versions
from workers.channels import ChannelPool
from workers.counts import Counts
from workers.deliver import deliver_due
from workers.lanes import Pulse
from workers.passes import evaluate_everybody
from workers.schedule import deliver_off, work_off

log = get_logger()

# earlier versions had all work in the one queue that is now the journeys' own
QUEUES: Mapping[Lane, str] = {
    Lane.JOURNEYS: "rekindle",
    Lane.EMAILS: "rekindle.emails",
    Lane.WEBHOOKS: "rekindle.webhooks",
    Lane.NOTICES: "rekindle.notices",
}
MINUTE_MS = 60 * 1000
# the last resort where something hangs; an evaluation for everybody is the longest there is
TIME_LIMIT_MS: Mapping[Lane, int] = {
    Lane.JOURNEYS: 15 * MINUTE_MS,
    Lane.EMAILS: 15 * MINUTE_MS,
    Lane.WEBHOOKS: MINUTE_MS,  # it only wakes the thread that claims calls
    Lane.NOTICES: MINUTE_MS,
}


@dataclass
class Actors:
    """A process's way to the workers: its `Wake`, sending through a broker."""

    broker: Broker

    def changed(self) -> None:
        if not has_unread(self.broker, QUEUES[Lane.JOURNEYS], ask_server=False):
            self._send(Lane.JOURNEYS, "evaluate")

    def everybody(self) -> None:
        self._send(Lane.JOURNEYS, "everybody")

    def advance(self, ids: Sequence[int]) -> None:
        self._send(Lane.JOURNEYS, "advance", list(ids))

    def deliver(self, ids: Sequence[int]) -> None:
        self._send(Lane.EMAILS, "emails", list(ids))

    def has_work(self, lane: Lane) -> None:
        """Send one message, unless one waits that its worker has yet to see: a lane that nobody
        serves does not fill the broker.
        """
        if has_unread(self.broker, QUEUES[lane]):
            return
        match lane:
            case Lane.JOURNEYS:
                self._send(lane, "evaluate")
            case Lane.EMAILS:
                self._send(lane, "emails", [])
            case Lane.WEBHOOKS | Lane.NOTICES:
                self._send(lane, lane.value)

    def _send(self, lane: Lane, actor: str, *arguments: Any) -> None:
        """A broker that is down loses nothing: the sweep finds the work again."""
        message: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=QUEUES[lane], actor_name=actor, args=arguments, kwargs={}, options={}
        )
        try:
            self.broker.enqueue(message)
        except Exception as error:  # each broker has its own errors; the cause is kept
            log.warning("broker.unavailable", actor=actor, reason=type(error).__name__)


def declare_actors(
    broker: Broker,
    services: Services,
    pool: ChannelPool,
    calls: Mapping[Lane, CallLane],
    pulse: Pulse,
) -> None:
    """Teach this process to do the work that `Actors` asks for, and to say in `pulse` what it is
    at.
    """
    work = _Work(services, pool, calls, pulse)
    doing: Mapping[Lane, Mapping[str, Callable[..., None]]] = {
        Lane.JOURNEYS: {
            "evaluate": work.evaluate,
            "everybody": work.everybody,
            "advance": work.advance,
            # what an earlier version sent into the one queue of its time
            "deliver": work.pass_on_emails,
            "effects": work.pass_on_effects,
        },
        Lane.EMAILS: {"emails": work.emails},
        Lane.WEBHOOKS: {"webhooks": work.webhooks},
        Lane.NOTICES: {"notices": work.notices},
    }
    for lane, actors in doing.items():
        for name, does in actors.items():
            declare = dramatiq.actor(
                actor_name=name,
                queue_name=QUEUES[lane],
                broker=broker,
                max_retries=0,  # the sweep is the retry
                time_limit=TIME_LIMIT_MS[lane],
            )
            declare(_guarded(name, does, partial(pulse.working, lane, work.says(lane, name))))


def _guarded(
    name: str, does: Callable[..., None], working: Callable[[], AbstractContextManager[None]]
) -> Callable[..., None]:
    """The one place where a worker's failure is caught: it is logged with its cause, the rows stay
    due.
    """

    def act(*arguments: Any) -> None:
        try:
            with working():
                does(*arguments)
        except RekindleError as error:
            log.error("work.failed", actor=name, reason=str(error))
        except Interrupt as interrupt:
            log.error("work.failed", actor=name, reason=f"interrupted: {type(interrupt).__name__}")
        except Exception as error:
            log.error("work.failed", actor=name, reason=describe(error))

    return act


@dataclass(frozen=True)
class _Work:
    services: Services
    pool: ChannelPool
    calls: Mapping[Lane, CallLane]
    pulse: Pulse

    def says(self, lane: Lane, name: str) -> str:
        """What a thread is at, for people."""
        return f"sending by {self.pool.adapter.name}" if lane is Lane.EMAILS else name

    def evaluate(self) -> None:
        work_off(self.services, self.pulse.beat)

    def everybody(self) -> None:
        now = self.services.clock.now()
        evaluate_everybody(self.services, now, lambda *_: self.pulse.beat())
        follow_versions(self.services, now)
        work_off(self.services, self.pulse.beat)

    def advance(self, ids: list[int]) -> None:
        if advance_due(self.services, ids) != Counts():
            self.pulse.beat()
        work_off(self.services, self.pulse.beat)

    def emails(self, ids: list[int]) -> None:
        if ids:
            now = self.services.clock.now()
            if deliver_due(self.services, self.pool, now, ids) != Counts():
                self.pulse.beat()
            self.services.wake.changed()
        deliver_off(self.services, self.pool, self.pulse.beat)

    def webhooks(self) -> None:
        self.calls[Lane.WEBHOOKS].wake()

    def notices(self) -> None:
        self.calls[Lane.NOTICES].wake()

    def pass_on_emails(self, ids: list[int]) -> None:
        self.services.wake.deliver(ids)

    def pass_on_effects(self, _ids: list[int]) -> None:
        self.services.wake.has_work(Lane.WEBHOOKS)
        self.services.wake.has_work(Lane.NOTICES)
