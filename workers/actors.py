"""The actors: a few lines each, ids in, the database asked for everything else; every one is safe
to run twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dramatiq
import structlog
from dramatiq import Broker
from dramatiq.brokers.stub import StubBroker

from rekindle.errors import RekindleError
from rekindle.services import Services, Work
from workers.advance import advance_due
from workers.changes import follow_versions
from workers.channels import ChannelPool
from workers.deliver import deliver_due
from workers.passes import evaluate_everybody
from workers.schedule import work_off

log = structlog.get_logger()

QUEUE = "rekindle"
TIME_LIMIT_MS = 15 * 60 * 1000  # an evaluation for everybody is the longest there is


@dataclass
class Actors:
    """A process's way to the workers: its `Wake`, sending through a broker."""

    broker: Broker

    def changed(self) -> None:
        if not self._is_coming():
            self._send("evaluate")

    def everybody(self) -> None:
        self._send("everybody")

    def due(self, work: Work, ids: Sequence[int]) -> None:
        self._send(work, list(ids))

    def _is_coming(self) -> bool:
        """Whether a worker of this process has yet to begin, and so will see what is there now."""
        queues = self.broker.queues if isinstance(self.broker, StubBroker) else {}
        return QUEUE in queues and not queues[QUEUE].empty()

    def _send(self, actor: str, *arguments: Any) -> None:
        """A broker that is down loses nothing: the sweep finds the work again."""
        message: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=QUEUE, actor_name=actor, args=arguments, kwargs={}, options={}
        )
        try:
            self.broker.enqueue(message)
        except Exception as error:  # each broker has its own errors; the cause is kept
            log.warning("broker.unavailable", actor=actor, reason=type(error).__name__)


def declare_actors(broker: Broker, services: Services, pool: ChannelPool) -> None:
    """Teach this process to do the work that `Actors` asks for."""
    work = _Work(services, pool)
    doing: Mapping[str, Callable[..., None]] = {
        "evaluate": work.evaluate,
        "everybody": work.everybody,
        "advance": work.advance,
        "deliver": work.deliver,
        "effects": work.effects,
    }
    for name, does in doing.items():
        declare = dramatiq.actor(
            actor_name=name,
            queue_name=QUEUE,
            broker=broker,
            max_retries=0,  # the sweep is the retry
            time_limit=TIME_LIMIT_MS,
        )
        declare(_guarded(name, does))


def _guarded(name: str, does: Callable[..., None]) -> Callable[..., None]:
    """The one place where a worker's failure is caught: it is logged with its cause, the rows stay
    due.
    """

    def act(*arguments: Any) -> None:
        try:
            does(*arguments)
        except RekindleError as error:
            log.error("work.failed", actor=name, reason=str(error))
        except Exception as error:
            log.error("work.failed", actor=name, reason=f"{type(error).__name__}: {error}")

    return act


@dataclass(frozen=True)
class _Work:
    services: Services
    pool: ChannelPool

    def evaluate(self) -> None:
        work_off(self.services, self.pool)

    def everybody(self) -> None:
        now = self.services.clock.now()
        evaluate_everybody(self.services, now)
        follow_versions(self.services, now)
        work_off(self.services, self.pool)

    def advance(self, ids: list[int]) -> None:
        advance_due(self.services, self.services.clock.now(), ids)
        work_off(self.services, self.pool)

    def deliver(self, ids: list[int]) -> None:
        deliver_due(self.services, self.pool, self.services.clock.now(), ids)
        work_off(self.services, self.pool)

    def effects(self, _ids: list[int]) -> None:
        work_off(self.services, self.pool)
