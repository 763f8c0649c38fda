"""What every helpdesk adapter is: one file in this folder, found by its name at `/hooks/<name>`."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Protocol

import adapters.helpdesk
from rekindle.errors import Malformed
from rekindle.settings import Source
from store.records import IncomingEvent


@dataclass(frozen=True)
class RawRequest:
    """A webhook as it came; signatures hold over these very bytes."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class NotOurs(Malformed):
    """A genuine webhook that tells nothing we keep; answered 200, so that nobody repeats it."""


class Helpdesk(Protocol):
    """Proves that a webhook is genuine, and says in our words what it tells."""

    def __init__(self, source: Source) -> None: ...

    def verify(self, request: RawRequest, now: datetime) -> None:
        """Raises WebhookNotGenuine if signature, secret or age do not hold at `now`."""

    def read(self, request: RawRequest, now: datetime) -> tuple[IncomingEvent, ...]:
        """What happened; pure. Raises Malformed for a body that is not JSON, else NotOurs."""


def find_helpdesk(name: str) -> type[Helpdesk] | None:
    """The adapter in the file of this name, if there is one."""
    known = {module.name for module in pkgutil.iter_modules(adapters.helpdesk.__path__)}
    if name == "base" or name not in known:
        return None
    found: type[Helpdesk] = import_module(f"adapters.helpdesk.{name}").adapter
    return found
