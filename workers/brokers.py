"""The broker that carries ids between processes: none (in memory), RabbitMQ or Redis."""

from typing import Any
from urllib.parse import urlsplit

from dramatiq import Broker
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


def _middleware() -> list[Middleware]:
    return [AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Retries()]
