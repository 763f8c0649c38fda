"""The stage of a rehearsal: the production engine, a scratch copy, and a clock that jumps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.email.base import EmailAdapter
from rekindle.clock import FixedClock
from rekindle.rehearsal.provider import NoProvider
from rekindle.rehearsal.scratch import scratch_copy
from rekindle.services import Services
from store.session import Store
from workers.channels import ChannelPool
from workers.counts import Counts
from workers.schedule import next_due_at, run_until_idle

EXACT_JUMPS = 1_000  # up to here it stops at every due instant
COARSE_STEP = timedelta(minutes=1)  # from then on what is due within it is done together


@dataclass(frozen=True)
class Stage:
    """The engine of one rehearsal. Nothing that it does is seen by anybody else."""

    services: Services
    clock: FixedClock
    pool: ChannelPool

    @property
    def store(self) -> Store:
        return self.services.store

    def run(self) -> Counts:
        """Work off everything due at the stage's now."""
        return run_until_idle(self.services, self.pool)

    def run_at(self, instant: datetime) -> Counts:
        self.clock.at = instant
        return self.run()

    def play_until(self, until: datetime, is_over: Callable[[], bool] = lambda: False) -> Counts:
        """Let time pass, stopping at every instant at which something is due, `until` included.

        It ends early at an instant before `until` where `is_over`.
        """
        total = self.run()
        jumps = 0
        while not is_over():
            due_at = self._next_stop(jumps)
            if due_at is None or due_at >= until:
                return total + self.run_at(until)
            total += self.run_at(due_at)
            jumps += 1
        return total

    def _next_stop(self, jumps: int) -> datetime | None:
        with self.store.read() as connection:
            due_at = next_due_at(connection)
        if due_at is None:
            return None
        step = COARSE_STEP if jumps > EXACT_JUMPS else timedelta(microseconds=1)
        return max(due_at, self.clock.at + step)


@contextmanager
def rehearse(services: Services) -> Iterator[Stage]:
    """A stage on a copy of everything that is, at the services' now."""
    with scratch_copy(services.store) as scratch:
        yield stage_on(scratch, services, services.clock.now())


def stage_on(
    scratch: Store, services: Services, at: datetime, provider: EmailAdapter | None = None
) -> Stage:
    """A stage on a database of its own, otherwise as `services` are."""
    clock = FixedClock(at)
    rehearsing = Services(
        scratch,
        clock,
        services.signer,
        services.workspace,
        services.environment,
        is_rehearsal=True,
    )
    return Stage(rehearsing, clock, ChannelPool(provider or NoProvider()))
