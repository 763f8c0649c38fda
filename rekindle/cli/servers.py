"""`up`, `web`, `worker`, `scheduler`: everything in one process, or apart."""

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from socket import socket
from typing import TYPE_CHECKING, Annotated

import typer

from rekindle.cli.context import options
from rekindle.cli.first_apply import apply_once
from rekindle.cli.opening import open_here
from rekindle.errors import WrongUse
from rekindle.lane import Lane
from rekindle.logs import get_logger
from rekindle.process import Process
from rekindle.services import Services
from store.holds import begin_hold, find_hold

if TYPE_CHECKING:
    from dramatiq import Broker
    from starlette.applications import Starlette
    from uvicorn import Config

log = get_logger()
MOST_FILES = 4_096  # every connection is one, and so is every call of the workers

Host = Annotated[
    str, typer.Option(help="Address to listen on; beyond loopback only once users exist.")
]
Port = Annotated[int, typer.Option(help="Port to listen on.")]


def up(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    hold: Annotated[
        bool, typer.Option("--hold", help="As after 'rekindle hold': nothing leaves.")
    ] = False,
) -> None:
    """Everything in one process: web, workers and scheduler."""
    with _process("up", hold=hold) as process:
        apply_once(process.services)
        serve_everything(process, host, port)


def serve_everything(process: Process, host: str, port: int) -> None:
    """Workers, scheduler and web of one process, until it is told to stop."""
    process.start_workers(_broker(_broker_url()))
    process.start_scheduler()
    serve(process, host, port)


def web(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Only the web: ingest, hooks, surveys, dashboard. Workers run elsewhere or later."""
    from workers.actors import Actors

    with _process("web") as process:
        if url := _broker_url():
            process.services.wake = Actors(_broker(url))
        serve(process, host, port)


def serve(process: Process, host: str, port: int) -> None:
    """Listen on `host`; prints where. Raises WrongUse for an open address without users."""
    from rekindle.api.app import mount_api
    from web.app import create_app
    from web.sign_in import make_sign_in_link, may_listen_on

    services = process.services
    if not may_listen_on(services, host):
        raise WrongUse(
            f"'--host {host}' lets strangers in: add somebody first with 'rekindle users add'."
        )
    app = create_app(services, more=[mount_api(services)])
    if link := make_sign_in_link(services, f"http://{host}:{port}"):
        print(f"Dashboard: {link}", flush=True)
    _allow_files(MOST_FILES)
    _listen(server_config(app, host, port), f"http://{host}:{port}")


def server_config(app: "Starlette", host: str, port: int) -> "Config":
    """How uvicorn serves `app`: few requests at once, and none that takes long to come."""
    import uvicorn

    from web.protocols import bounded_protocol

    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        log_config=None,  # what it logs is redacted like all other logs
        access_log=False,
        proxy_headers=False,
        lifespan="off",
        http=bounded_protocol(app.state.trusted_proxies),
        ws="none",
    )


def _allow_files(count: int) -> None:
    """Let this process open so many files, if it may: many systems begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _listen(config: "Config", address: str) -> None:
    """Serve until told to stop; says where once it really listens. Raises WrongUse if it cannot."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                print(f"Listening on {address}", flush=True)

    # uvicorn stops in good order at a signal and then raises it again, for whoever was to hear it
    # before: being told to stop is no failure
    _on_stop(lambda: sys.exit(0))
    try:
        Server(config).run()
    except SystemExit as error:
        if error.code:  # uvicorn's way to say that the port is taken
            raise WrongUse(f"cannot listen on {address}; is it taken?") from error


def worker(
    threads: Annotated[int, typer.Option(help="How many pieces of work at once in a lane.")] = 4,
    lane: Annotated[
        list[Lane] | None,
        typer.Option(help="Serve only this lane; may be repeated. All of them if not given."),
    ] = None,
) -> None:
    """Work on what the broker brings, until told to stop."""
    broker = _broker(_required_broker())
    with _process("worker") as process:
        process.start_workers(broker, threads, lane or Lane)
        print("Working.", flush=True)
        _until_told()


def scheduler() -> None:
    """Look for what is due and pass it on; others of its kind stand by."""
    from workers.actors import Actors

    broker = _broker(_required_broker())
    with _process("scheduler") as process:
        apply_once(process.services)
        process.services.wake = Actors(broker)
        process.start_scheduler()
        print("Scheduling.", flush=True)
        _until_told()


def _process(command: str, *, hold: bool = False) -> Process:
    services = open_here(options().running_clock())
    services.announce(f"rekindle {command}")
    if hold:
        with services.store.begin() as tx:
            begin_hold(tx, f"rekindle {command} --hold", services.clock.now())
    _tell_of_hold(services)
    return Process(services)


def _tell_of_hold(services: Services) -> None:
    """Whoever starts a process that sends nothing is told so."""
    with services.store.read() as connection:
        standing = find_hold(connection)
    if standing is not None:
        log.warning("sending.held", since=standing.began_at.isoformat(), reason=standing.reason)
        print(f"Held: {standing.in_words()}.", flush=True)


def _broker(url: str | None) -> "Broker":
    """Raises BrokerUnavailable if it does not answer: who cannot work says so at once."""
    import logging

    from workers.brokers import open_broker, require_answer

    for noisy in ("pika", "dramatiq"):  # what matters we say ourselves, once and in words
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    broker = open_broker(url)
    require_answer(broker, url)
    return broker


def _broker_url() -> str | None:
    return os.environ.get("REKINDLE_BROKER_URL") or None


def _required_broker() -> str:
    if not (url := _broker_url()):
        raise WrongUse(
            "workers apart from the web need REKINDLE_BROKER_URL; in one process use 'rekindle up'."
        )
    return url


def _until_told() -> None:
    told = threading.Event()
    _on_stop(told.set)
    told.wait()


def _on_stop(act: Callable[[], None]) -> None:
    """Let `act` be done when this process is told to stop. Ctrl-C once more ends it at once: others
    take over what it held.
    """
    is_told = False

    def hear(number: int, _frame: object) -> None:
        nonlocal is_told
        if is_told and number == signal.SIGINT:
            os._exit(128 + number)
        if not is_told:
            is_told = True
            act()

    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, hear)
