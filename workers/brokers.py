"""The broker that carries ids between processes: none (in memory), RabbitMQ or Redis."""

from typing import Any
from urllib.parse import urlsplit

from dramatiq import Broker, Worker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import (
    AgeLimit,
    Callbacks,
    Middleware,
    Retries,
    ShutdownNotifications,
    TimeLimit,
)

from rekindle.errors import BrokerUnavailable

POLL_MS = 100  # how long a worker waits for a message before it looks whether it is to stop


def open_broker(url: str | None) -> Broker:
    """A broker for `amqp://…`, `redis://…`, or in memory where there is no url. Connects when it
    first sends.

    Raises BrokerUnavailable for an address that is none, or whose extra is not installed.
    """
    if not url:
        return StubBroker(middleware=_middleware())
    scheme = url.partition(":")[0]
    try:
        match scheme:
            case "amqp" | "amqps":
                from dramatiq.brokers.rabbitmq import RabbitmqBroker

                return RabbitmqBroker(url=url, middleware=_middleware())
            case "redis" | "rediss":
                from dramatiq.brokers.redis import RedisBroker

                return RedisBroker(  # type: ignore[no-untyped-call]  # as published
                    url=url, middleware=_middleware(), namespace="rekindle"
                )
            case _:
                raise BrokerUnavailable(
                    f"{scheme!r} is no broker we know; use amqp:// or redis://."
                )
    except ModuleNotFoundError as error:
        extra = "rabbitmq" if scheme.startswith("amqp") else "redis"
        raise BrokerUnavailable(
            f"{scheme} needs the extra '{extra}': pip install 'rekindle[{extra}]'."
        ) from error


def require_answer(broker: Any, url: str | None) -> None:
    """Raises BrokerUnavailable, naming host and port but no password, if it does not answer now."""
    if not url:
        return
    where = urlsplit(url)
    try:
        if where.scheme.startswith("amqp"):
            _ = broker.connection  # connects
        else:
            broker.client.ping()
    except Exception as error:  # each broker has its own errors; the cause is kept
        place = f"{where.hostname}:{where.port}" if where.port else where.hostname
        raise BrokerUnavailable(f"the broker at {place} does not answer.") from error


def has_unread(broker: Broker, queue: str, *, ask_server: bool = True) -> bool:
    """Whether a message waits in `queue` that no worker has fetched yet, and whose worker will so
    see all that is committed by now.

    A broker elsewhere is asked only with `ask_server`, which costs a round trip; False where it
    does not answer.
    """
    if isinstance(broker, StubBroker):
        return queue in broker.queues and not broker.queues[queue].empty()
    return ask_server and _count_unread(broker, queue) > 0


def _count_unread(broker: Any, queue: str) -> int:
    try:
        if hasattr(broker, "client"):  # Redis keeps a list of that name
            return int(broker.client.llen(f"{broker.namespace}:{queue}"))
        return int(broker.get_queue_message_counts(queue)[0])
    except Exception:  # each broker has its own errors; sending will meet and tell the same one
        return 0


def start_worker(broker: Broker, queue: str, threads: int) -> Worker:
    """Threads of this process that take messages from one queue."""
    worker = _Worker(broker, queues={queue}, worker_threads=threads, worker_timeout=POLL_MS)
    worker.start()
    return worker


class _Worker(Worker):
    """Without the second connection for messages that wait in the broker: none of ours do."""

    def _add_consumer(self, queue_name: str, *, delay: bool = False) -> None:
        if not delay:
            super()._add_consumer(queue_name, delay=delay)


def _middleware() -> list[Middleware]:
    return [AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Retries()]
