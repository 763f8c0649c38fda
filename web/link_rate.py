"""How often the signed links of one email are followed.

Nobody needs a session to follow them, and each look is a row, an event and a commit. What comes too
fast is answered as ever, but not noted: whoever asks so often is no person.
"""

from dataclasses import dataclass, field

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.exceptions import HTTPException
from starlette.requests import Request

from store.records import MessageId
from web.requests import services_of, shared, visitor_of, write
from web.visits import record_visit

# A gateway that follows every link of a long email stays below; more is not needed to know it.
LOOKS = RateLimitItemPerMinute(60)
FORMS = RateLimitItemPerMinute(20)
MINUTE = "60"
TOO_OFTEN = "This was sent too often. Wait a minute."


@dataclass
class LinkRate:
    """Counts looks and forms by email, within this process."""

    limiter: MovingWindowRateLimiter = field(
        default_factory=lambda: MovingWindowRateLimiter(MemoryStorage())
    )

    def may_look(self, message_id: MessageId) -> bool:
        return self.limiter.hit(LOOKS, "look", str(message_id))

    def may_send(self, message_id: MessageId) -> bool:
        return self.limiter.hit(FORMS, "form", str(message_id))


async def note_look(request: Request, message_id: MessageId, link: str) -> None:
    """Keep a look at a page as evidence, if there are not too many. Raises StoreUnavailable."""
    if not shared(request, LinkRate).may_look(message_id):
        return
    services, visitor = services_of(request), visitor_of(request)
    now = services.clock.now()
    await write(services, lambda tx: record_visit(tx, message_id, link, visitor, now))


def require_rate(request: Request, message_id: MessageId) -> None:
    """Raises HTTPException 429 for more forms in a minute than anybody sends."""
    if not shared(request, LinkRate).may_send(message_id):
        raise HTTPException(429, TOO_OFTEN, {"Retry-After": MINUTE})
