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

from rekindle.errors import TooMuch
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
        """Let in as many kinds as the key has left. Raises TooMuch where more are new; who sends
        the same again a minute later, as SDKs do, has the rest let in, however many they are.
        """
        named = dict.fromkeys((event.name, event.channel) for event in events)
        kinds = [(name, channel or settings.channel_for(name)) for name, channel in named]
        fresh = [kind for kind in kinds if kind not in self.known]
        if not fresh:
            return
        self.known |= await run_in_threadpool(_load, services, {name for name, _ in fresh})
        fresh = [kind for kind in fresh if kind not in self.known]
        most = MOST_NEW_KINDS_OF_BROWSER if sender.is_browser else MOST_NEW_KINDS
        admitted = fresh[: self._take(sender, most, len(fresh))]
        self.known.update(admitted)
        if late := len(fresh) - len(admitted):
            raise TooMuch(
                f"nothing was stored: {len(fresh)} kinds of events are new, and a key may bring "
                f"{most} a minute. Send it again in a minute, when {late} are left to let in.",
                MINUTE,
            )

    def _take(self, sender: AccessKey, most: int, wanted: int) -> int:
        """Charge the key as much of `wanted` as it has left of this minute; return that."""
        share = RateLimitItemPerMinute(most)
        count = min(wanted, self.limiter.get_window_stats(share, sender.digest).remaining)
        return count if count and self.limiter.hit(share, sender.digest, cost=count) else 0


def _load(services: Services, names: set[str]) -> set[NamedChannel]:
    with services.store.read() as connection:
        return load_kinds_of(connection, names)
