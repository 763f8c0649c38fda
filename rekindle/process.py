"""One running process: its services, its connections to the provider, its workers, all let go at
the end.
"""

import threading
from types import TracebackType
from typing import Self

import structlog
from dramatiq import Broker, Worker

from adapters.email.base import open_adapter
from rekindle.errors import RekindleError
from rekindle.services import Services
from rekindle.workspace.applying import apply_folder
from store.definitions import newest_definition
from store.leases import hold_lease, release_lease
from workers.actors import Actors, declare_actors
from workers.channels import ChannelPool
from workers.counts import Counts
from workers.lease import LEASE, worker_name
from workers.schedule import run_until_idle, sweep

log = structlog.get_logger()

SWEEP_SECONDS = 1.0
THREADS = 4  # workers in one process; the database and the provider are what they wait for


class Process:
    """A context that closes what it opened."""

    def __init__(self, services: Services) -> None:
        self.services = services
        settings = services.settings
        self.pool = ChannelPool(open_adapter(settings.provider, settings, services.outbox))
        self._worker: Worker | None = None
        self._stopping = threading.Event()
        self._scheduler: threading.Thread | None = None

    def run_until_idle(self) -> Counts:
        return run_until_idle(self.services, self.pool)

    def start_workers(self, broker: Broker, threads: int = THREADS) -> None:
        """Work in this process on what the broker brings."""
        declare_actors(broker, self.services, self.pool)
        self.services.wake = Actors(broker)
        self._worker = Worker(broker, worker_threads=threads, worker_timeout=100)
        self._worker.start()

    def start_scheduler(self) -> None:
        """Sweep in a thread for as long as this process is the active scheduler."""
        self._scheduler = threading.Thread(target=self.schedule, name="scheduler", daemon=True)
        self._scheduler.start()

    def schedule(self) -> None:
        """Sweep about once a second while holding the scheduler's lease; others stand by."""
        holder = worker_name()
        while not self._stopping.wait(SWEEP_SECONDS):
            try:
                self._sweep_if_active(holder)
            except RekindleError as error:
                log.error("sweep.failed", reason=str(error))
            except (
                Exception
            ) as error:  # the scheduler outlives any single failure; the rows stay due
                log.error("sweep.failed", reason=f"{type(error).__name__}: {error}")

    def _sweep_if_active(self, holder: str) -> None:
        wall = self.services.clock.wall()
        with self.services.store.begin() as tx:
            is_active = hold_lease(tx, "scheduler", holder, wall, wall + LEASE / 4)
        if is_active:
            sweep(self.services, self.pool, self.services.clock.now())

    def stop(self) -> None:
        """Stop looking, let what runs finish, close connections and database."""
        self._stopping.set()
        if self._scheduler is not None:
            self._scheduler.join(timeout=10)
            with self.services.store.begin() as tx:
                release_lease(tx, "scheduler", worker_name())
        if self._worker is not None:
            self._worker.stop(timeout=10_000)
        self.pool.close()
        self.services.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def apply_once(services: Services) -> None:
    """Apply the folder into a database where nothing was ever applied.

    Raises RekindleError with the folder's problems if it has any.
    """
    with services.store.read() as connection:
        if newest_definition(connection) is not None:
            return
    apply_folder(services.store, services.workspace, services.environment, services.clock.now())
