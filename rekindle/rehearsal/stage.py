"""The stage of a rehearsal: the production engine, a scratch copy, and a clock that jumps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.email.base import EmailAdapter
from rekindle.clock import FixedClock
from rekindle.rehearsal.provider import NoProvider
from rekindle.rehearsal.scratch import scratch_copy
from rekindle.services import Services
from segments.days import published_at
from store.session import Store
from store.tables import MICROSECOND
from workers.channels import ChannelPool
from workers.counts import Counts
from workers.schedule import next_due_at, run_until_idle

EXACT_STOPS = 1_000  # up to here it stops at every due instant
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

    def jumps(
        self, end: datetime, after: datetime, grain: timedelta = timedelta()
    ) -> Iterator[Counts]:
        """Work wherever something is due between `after` and `end`, neither included.

        What is due within `grain` is done together; after very many stops, within a minute.
        """
        stops, earliest = 0, after + max(grain, MICROSECOND)
        while (due_at := self._next_due_at()) is not None:
            stop_at = max(due_at, earliest)
            if stop_at >= end:
                return
            yield self.run_at(stop_at)
            stops += 1
            step = COARSE_STEP if stops > EXACT_STOPS else MICROSECOND
            earliest = stop_at + max(grain, step)

    def next_publication(self) -> datetime:
        """When the daily figures are next published, in the brand's zone."""
        zone = self.services.library().lexicon.zone
        soon = published_at(self.clock.at + timedelta(days=1), zone)
        return soon if soon > self.clock.at else soon + timedelta(days=1)

    def _next_due_at(self) -> datetime | None:
        with self.store.read() as connection:
            return next_due_at(connection)


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
        services.find_signer,
        services.workspace,
        services.environment,
        is_rehearsal=True,
    )
    return Stage(rehearsing, clock, ChannelPool(provider or NoProvider()))
