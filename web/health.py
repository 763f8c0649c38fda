"""`/healthz`: the process lives. `/readyz`: it can work."""

import socket
from urllib.parse import urlsplit

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rekindle.disks import find_tight
from rekindle.errors import BrokerUnavailable, RekindleError, StoreUnwritable
from rekindle.lanes import find_standstills
from store.alarms import DISK, FAILED, load_standing
from store.holds import find_hold
from store.providers import load_provider_states
from store.tables import leases
from web.requests import services_of

BROKER_PORTS = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}
PATIENCE_SECONDS = 2.0
UNWRITABLE = f"not ready: {DISK}: the database cannot be written\n"


async def is_alive(_request: Request) -> Response:
    return PlainTextResponse("alive\n")


def is_ready(request: Request) -> Response:
    """200 once the database answers with our tables and can be written, as far as anybody tried,
    and the broker, where there is one, answers.

    Segments that failed, lanes that stand still and providers that take nothing are named: what
    comes in is kept all the same, so nobody is turned away for them.
    """
    services = services_of(request)
    try:
        with services.store.read() as connection:
            connection.execute(select(leases.c.name).limit(1))
            failed = sorted(load_standing(connection, FAILED))
            hold = find_hold(connection)
            standstills = find_standstills(connection, services.clock.now())
            outages = load_provider_states(connection)
        tight = find_tight(services.written_folders)
        check_broker(services.environment.get("REKINDLE_BROKER_URL", ""))
    except StoreUnwritable:
        return PlainTextResponse(UNWRITABLE, 503)
    except RekindleError as error:
        return PlainTextResponse(f"not ready: {type(error).__name__}\n", 503)
    if services.store.fault:
        return PlainTextResponse(UNWRITABLE, 503)
    lines = ["ready", *(f"segment failed: {segment}" for segment in failed)]
    lines += [f"disk nearly full: {room.in_words()}" for room in tight]
    lines += [
        f"lane stands still: {one.lane.value} since {one.since:%Y-%m-%d %H:%M} UTC"
        for one in standstills
    ]
    lines += [
        f"provider paused: {one.provider} ({one.fault}) since {one.since:%Y-%m-%d %H:%M} UTC, "
        f"tried again at {one.paused_until:%Y-%m-%d %H:%M:%S} UTC"
        for one in outages
    ]
    lines += [f"held: {hold.in_words()}"] if hold else []
    return PlainTextResponse("".join(f"{line}\n" for line in lines))


def check_broker(url: str) -> None:
    """Raises BrokerUnavailable unless something listens at `url`; an empty one is no broker."""
    parts = urlsplit(url)
    if parts.scheme not in BROKER_PORTS:
        return
    address = (parts.hostname or "127.0.0.1", parts.port or BROKER_PORTS[parts.scheme])
    try:
        socket.create_connection(address, PATIENCE_SECONDS).close()
    except OSError as error:
        raise BrokerUnavailable(f"nothing answers at {address[0]}:{address[1]}.") from error


routes = [Route("/healthz", is_alive), Route("/readyz", is_ready)]
