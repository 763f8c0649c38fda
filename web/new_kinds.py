"""How many kinds of events a key may bring that nobody has sent before.

Each stays in the database for good, and is looked at by every segment and every plan.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.concurrency import run_in_threadpool

from rekindle.errors import TooLarge, TooMuch
from rekindle.services import Services
from rekindle.settings import Settings
from store.keys import AccessKey
from store.kinds import load_kinds_of
from store.records import IncomingEvent

# a minute; a shop has some hundred kinds in all, and a page that anybody can read bears a browser's
MOST_NEW_KINDS = 500
MOST_NEW_KINDS_OF_BROWSER = 50
MINUTE = timedelta(minutes=1)

NamedChannel = tuple[str, str]  # an event's name, and the channel it came by


@dataclass
class NewKinds:
    """Counts them by key, within this process."""

    known: set[NamedChannel] = field(default_factory=set)
    limiter: MovingWindowRateLimiter = field(
        default_factory=lambda: MovingWindowRateLimiter(MemoryStorage())
    )

    async def admit(
        self,
        services: Services,
        settings: Settings,
        sender: AccessKey,
        events: Iterable[IncomingEvent],
    ) -> None:
        """Raises TooLarge for more than a minute's share at once, TooMuch where it is used up."""
        named = {(event.name, event.channel) for event in events}
        fresh = {(name, channel or settings.channel_for(name)) for name, channel in named}
        fresh -= self.known
        if not fresh:
            return
        stored = await run_in_threadpool(_load, services, {name for name, _ in fresh})
        self.known |= stored
        fresh -= stored
        if fresh:
            self._charge(sender, len(fresh))
            self.known |= fresh

    def _charge(self, sender: AccessKey, count: int) -> None:
        most = MOST_NEW_KINDS_OF_BROWSER if sender.is_browser else MOST_NEW_KINDS
        if count > most:
            raise TooLarge(f"{count} kinds of events are new; a key may bring {most} a minute.")
        share = RateLimitItemPerMinute(most)
        if not self.limiter.hit(share, sender.digest, cost=count):
            raise TooMuch(f"a key may bring {most} new kinds of events a minute.", MINUTE)


def _load(services: Services, names: set[str]) -> set[NamedChannel]:
    with services.store.read() as connection:
        return load_kinds_of(connection, names)
