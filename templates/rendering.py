"""What a render under way knows and may use up: language, zone, links, a budget of work."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from templates.links import MailLinks

MOST_TICKS = 20_000  # turns of loops, calls of macros, thousands of characters looked at
LONGEST_TEXT = 500_000  # characters of any one text, the mail itself included


class TooMuch(Exception):
    """A template asked for more work or memory than any mail needs."""


@dataclass
class Budget:
    """How much a template may still do."""

    ticks: int = MOST_TICKS

    def spend(self, ticks: int) -> None:
        """Raises TooMuch when nothing is left."""
        self.ticks -= ticks
        if self.ticks < 0:
            raise TooMuch(f"the template does more than {MOST_TICKS:,} steps of work.")


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
