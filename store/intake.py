"""Takes in what happened: whose it is, what it changes, what must be looked at again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from rekindle.settings import Settings
from store.records import (
    Actor,
    CustomerId,
    EventId,
    IncomingCustomer,
    IncomingEvent,
    Receipt,
)


@dataclass(frozen=True)
class OwnEvent:
    """A fact of the engine's own about one customer, such as `message.sent` or `segment.entered`."""

    customer_id: CustomerId
    name: str
    occurred_at: datetime
    message_id: str  # dedupe: the same fact always has the same one
    properties: Mapping[str, Any] = field(default_factory=dict)
    channel: str | None = None  # None: the usual one for its name
    actor: Actor = Actor.REKINDLE


def record_events(
    tx: Connection, events: Sequence[IncomingEvent], *, now: datetime, settings: Settings
) -> Receipt:
    """Store foreign events, attach them to their customers and leave word of every change.

    The first `message_id` wins, in this batch as in the workspace. Up to some thousand events a call.
    """
    raise NotImplementedError


def record_customers(
    tx: Connection, customers: Sequence[IncomingCustomer], *, now: datetime
) -> Receipt:
    """Store rows of a customers file, known from the beginning; unchanged rows count as duplicates."""
    raise NotImplementedError


def record_own_events(tx: Connection, items: Sequence[OwnEvent], now: datetime) -> list[EventId]:
    """Store the engine's own facts; the ids come back in the order given, old ones for facts already known."""
    raise NotImplementedError
