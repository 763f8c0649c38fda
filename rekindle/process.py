"""One running process: its services, its connections to the provider, its workers, all let go at
the end.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Self

from dramatiq import Broker, Worker

from adapters.email.base import open_adapter
from rekindle.errors import RekindleError, describe
from rekindle.garbage import spare_what_stays
from rekindle.lane import Lane
from rekindle.logs import get_logger
from rekindle.services import Services
from rekindle.settings import provider_settings
from store.leases import release_lease
from workers.actors import QUEUES, Actors, declare_actors
from workers.brokers import start_worker
from workers.calls import KINDS, CallLane
from workers.channels import ChannelPool
from workers.counts import Counts
from workers.lanes import Pulse, Reporter
from workers.lease import take_turn, worker_name
from workers.passes import Report, unheard
from workers.providers import forget_other_settings
from workers.schedule import run_until_idle, sweep
from workers.sources import read_due_sources

log = get_logger()

SWEEP_SECONDS = 1.0
SOURCES_SECONDS = 5.0
STANDBY_AFTER = timedelta(seconds=15)  # of silence, another scheduler takes over
THREADS = 4  # of each lane in one process; the database and the provider are what they wait for
STOP_SECONDS = 10  # for what runs to finish; what does not is taken over by another process
EMAILS_STOP_SECONDS = 45  # a provider may be slow to answer about what is gone


class Process:
    """A context that closes what it opened."""

    def __init__(self, services: Services) -> None:
        self.services = services
        settings = services.settings
        adapter = open_adapter(settings.provider, settings, services.outbox)
        digest = services.signer.fingerprint(provider_settings(settings))
        self.pool = ChannelPool(adapter, settings_digest=digest)
        self._calls = {lane: CallLane(services, lane) for lane in KINDS}
        self._workers: dict[Lane, Worker] = {}
        self._reporter: Reporter | None = None
        self._stopping = threading.Event()
        self._scheduler: threading.Thread | None = None

    def run_until_idle(self, report: Report = unheard) -> Counts:
        self._forget_other_settings()
        read_due_sources(self.services)
        return run_until_idle(self.services, self.pool, report)

    def start_workers(
        self, broker: Broker, threads: int = THREADS, lanes: Iterable[Lane] = Lane
    ) -> None:
        """Work in this process on what the broker brings, in each lane with threads of its own."""
        spare_what_stays()
        pulse = Pulse()
        declare_actors(broker, self.services, self.pool, self._calls, pulse)
        self.services.wake = Actors(broker)
        broker.emit_after("process_boot")  # starts the watch over time limits
        lanes = tuple(lanes)
        if Lane.EMAILS in lanes:
            self._forget_other_settings()
        for lane in lanes:
            if lane in self._calls:
                self._calls[lane].start()
            some = 1 if lane in self._calls else threads
            self._workers[lane] = start_worker(broker, QUEUES[lane], some)
        served = dict.fromkeys(self._workers, threads)
        self._reporter = Reporter(self.services, pulse, served, self._calls.values())

    def _forget_other_settings(self) -> None:
        """A pause says nothing once key, host or sender were changed."""
        services, pool = self.services, self.pool
        if not services.is_rehearsal:
            with services.store.begin() as tx:
                now = services.clock.now()
                forget_other_settings(tx, pool.adapter.name, pool.settings_digest, now)

    def start_scheduler(self) -> None:
        """Sweep in a thread for as long as this process is the active scheduler."""
        self._scheduler = threading.Thread(target=self.schedule, name="scheduler", daemon=True)
        self._scheduler.start()
        threading.Thread(target=self._read_sources, name="sources", daemon=True).start()

    def schedule(self) -> None:
        """Sweep about once a second while holding the scheduler's lease; others stand by."""
        while not self._stopping.wait(SWEEP_SECONDS):
            try:
                self._sweep_if_active()
            except RekindleError as error:
                log.error("sweep.failed", reason=str(error))
            except Exception as error:  # the scheduler outlives any failure; the rows stay due
                log.error("sweep.failed", reason=describe(error))

    def _read_sources(self) -> None:
        """Read databases of others when they are due, beside the sweep: one may take hours. Of all
        processes one reads a source at a time; whoever is killed lets go of it.
        """
        while not self._stopping.wait(SOURCES_SECONDS):
            try:
                read_due_sources(self.services)
            except RekindleError as error:
                log.error("sources.failed", reason=str(error))
            except Exception as error:  # the next round tries again
                log.error("sources.failed", reason=describe(error))

    def _sweep_if_active(self) -> None:
        wall = self.services.clock.wall()
        with self.services.store.begin() as tx:
            is_active = take_turn(tx, "scheduler", wall, STANDBY_AFTER)
        if is_active:
            sweep(self.services, self.pool, self.services.clock.now())

    def stop(self) -> None:
        """Stop looking, let what runs finish, close connections and database."""
        self._stopping.set()
        self.pool.stopping.set()
        if self._scheduler is not None:
            self._scheduler.join(timeout=10)
            with self.services.store.begin() as tx:
                release_lease(tx, "scheduler", worker_name())
        self._stop_workers()
        if self._reporter is not None:
            self._reporter.stop()
        self.pool.close()
        self.services.close()

    def _stop_workers(self) -> None:
        """All at once: a lane that waits for somebody outside keeps no other from ending."""
        stops: list[Callable[[], None]] = [
            *(
                partial(
                    worker.stop,
                    (EMAILS_STOP_SECONDS if lane is Lane.EMAILS else STOP_SECONDS) * 1000,
                )
                for lane, worker in self._workers.items()
            ),
            *(partial(calls.stop, STOP_SECONDS) for calls in self._calls.values()),
        ]
        stopping = [threading.Thread(target=stop, daemon=True) for stop in stops]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
