"""What every mail provider is to us: it opens channels, and a channel takes one mail at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import NewType, Protocol

from rekindle.errors import WrongUse
from rekindle.settings import Settings

ProviderMessageId = NewType("ProviderMessageId", str)

BeforeLastByte = Callable[[], None]

# what the adapters of this folder share; every other file is one
SHARED = frozenset({"base", "replies", "smtp_session", "track_record"})


@dataclass(frozen=True)
class OutgoingEmail:
    """One message as it leaves; the same bytes and `header_id` however often it is tried."""

    message_id: int
    header_id: str  # Message-ID, without angle brackets
    sender: str  # `Shop <hello@example.com>`
    to: str
    mime: bytes  # CRLF line ends, no line over 998 bytes, dots not stuffed
    subject: str
    html: str
    text: str
    headers: tuple[
        tuple[str, str], ...
    ] = ()  # beyond From, To, Subject, Reply-To, Date, Message-ID
    topic: str = ""
    reply_to: str = ""


class Channel(Protocol):
    """One kept connection, used by one thread."""

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        """Hand `email` over and return the provider's own id for it, empty where it gives none.

        `before_last_byte` is called once everything but the last byte has been sent; when it
        returns, the mark is durable and the last byte leaves. If it raises, nothing is handed over.

        Raises ProviderUnavailable (the provider takes nothing at the moment), ProviderDeferred
        (this message not now), ProviderRefused (never), HandoverUncertain (the last byte left and
        no answer came) and Unsupported. It ends in time, whatever the provider does.
        """
        ...

    def close(self) -> None: ...


class EmailAdapter(Protocol):
    """A provider, as configured."""

    name: str
    is_idempotent: bool  # handed over twice, a message arrives once: an uncertain one is repeated
    connections: int  # how many channels are worth keeping open

    def open(self) -> Channel:
        """A new channel; it connects when it first sends."""
        ...


def adapter_names() -> tuple[str, ...]:
    """The adapters there are: the files of this folder."""
    here = Path(__file__).parent
    return tuple(
        sorted(found.name for found in iter_modules([str(here)]) if found.name not in SHARED)
    )


def open_adapter(name: str, settings: Settings, outbox: Path) -> EmailAdapter:
    """The adapter in the file of that name. Raises WrongUse for a name that no file has."""
    if name not in adapter_names() or not find_spec(f"adapters.email.{name}"):
        raise WrongUse(f"no provider is called {name!r}; there are {', '.join(adapter_names())}.")
    adapter: EmailAdapter = import_module(f"adapters.email.{name}").adapter(settings, outbox)
    return adapter
