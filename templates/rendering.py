"""What a render under way knows and may use up: language, zone, links, a budget of work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from templates.links import MailLinks

MOST_TICKS = 20_000  # turns of loops, calls of macros, thousands of characters looked at
LONGEST_TEXT = 500_000  # characters of any one text, the mail itself included
MOST_SECONDS = 1.0  # of the processor for one message; a usual one takes two thousandths
TICKS_A_LOOK = 100  # at the stopwatch, which costs some microseconds: a usual message has fewer
Stopwatch = Callable[[], float]  # seconds that the processor has worked for this thread


class TooMuch(Exception):
    """A template asked for more work or memory than any mail needs."""


@dataclass
class Budget:
    """How much a template may still do: steps, the same on every machine, and as a last resort
    seconds.

    Both are looked at between two calls, so that what goes into one call is bounded as well:
    `templates.facts` for what is told of customers, `templates.limits` for what is made of it.
    """

    ticks: int = MOST_TICKS
    stopwatch: Stopwatch | None = None  # None: seconds do not count

    def __post_init__(self) -> None:
        self._next_look = self.ticks - TICKS_A_LOOK
        self._stops_at = self.stopwatch() + MOST_SECONDS if self.stopwatch else 0.0

    def spend(self, ticks: int) -> None:
        """Raises TooMuch when nothing is left."""
        self.ticks -= ticks
        if self.ticks < 0:
            raise TooMuch(f"the template does more than {MOST_TICKS:,} steps of work.")
        if self.ticks < self._next_look and self.stopwatch is not None:
            self._next_look = self.ticks - TICKS_A_LOOK
            if self.stopwatch() > self._stops_at:
                raise TooMuch(f"it takes more than {MOST_SECONDS:g} s of the processor's time.")


@dataclass(frozen=True)
class Rendering:
    """One render under way."""

    locale: str = "en"
    zone: tzinfo = UTC
    links: MailLinks | None = None
    is_html: bool = True
    budget: Budget = field(default_factory=Budget)
    signed: dict[str, str] = field(default_factory=dict)  # addresses and their links, so far


_current: ContextVar[Rendering] = ContextVar("rendering")


def current() -> Rendering:
    """The render that is under way in this thread."""
    return _current.get(None) or Rendering()


@contextmanager
def under_way(rendering: Rendering) -> Iterator[None]:
    token = _current.set(rendering)
    try:
        yield
    finally:
        _current.reset(token)
