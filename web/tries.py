"""How often anybody may try to sign in, within this process.

Counted for each client, for each user as tried from one client, and, with more patience, for each
user as tried from anywhere: a stranger who guesses at a user's password from one address uses up
only that address, and the user gets in from another.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

OF_CLIENT = RateLimitItemPerMinute(10)
AT_USER_FROM_CLIENT = RateLimitItemPerHour(20)
AT_USER = RateLimitItemPerHour(200)  # ten clients, and 200 guesses are nothing at a password


@dataclass
class Tries:
    """Counts them."""

    limiter: MovingWindowRateLimiter = field(
        default_factory=lambda: MovingWindowRateLimiter(MemoryStorage())
    )

    def count(self, client: str, email: str) -> RateLimitItem | None:
        """Count a try; return the bound that forbids it, and then nothing is counted."""
        user = sha256(email.encode()).hexdigest()  # of one length, whatever a stranger writes
        bounds = (
            (OF_CLIENT, ("client", client)),
            (AT_USER_FROM_CLIENT, ("user from client", user, client)),
            (AT_USER, ("user", user)),
        )
        for bound, counted in bounds:
            if not self.limiter.test(bound, *counted):
                return bound
        for bound, counted in bounds:
            self.limiter.hit(bound, *counted)
        return None
