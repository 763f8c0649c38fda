"""What a script is made of: everything that can come to be known at an instant."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table

from store.definitions import Key
from store.interventions import Intervention
from store.records import CustomerId
from workers.starts import Wanted

FIRST, LAST = -1, 2**62  # before and after everything that arrived at the same instant


@dataclass(frozen=True)
class Entry:
    """Something at an instant; `order` is its arrival among what has the same one."""

    at: datetime
    order: int


@dataclass(frozen=True)
class Written(Entry):
    """One definition became this text; None retires it."""

    key: Key
    body: str | None


@dataclass(frozen=True)
class Came(Entry):
    """A customer became known."""

    row: Mapping[str, Any]


@dataclass(frozen=True)
class Happened(Entry):
    """An event, to be looked at; `row` has the columns of `events`."""

    row: Mapping[str, Any]
    message_id: int | None = None  # it answers that recorded message


@dataclass(frozen=True)
class Returned(Entry):
    """A row of `delivery_events` or `answers` about a recorded message."""

    table: Table
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Requested(Entry):
    """A person or a program started somebody by hand."""

    wanted: Wanted


@dataclass(frozen=True)
class Answered(Entry):
    """One of our own people said yes or no; `row` has the columns of `approvals`."""

    row: Mapping[str, Any]


@dataclass(frozen=True)
class Told(Entry):
    """Something was said of a customer beside events, as through the API."""

    customer_id: CustomerId


@dataclass(frozen=True)
class Looked(Entry):
    """The engine was at work."""


@dataclass(frozen=True)
class Stood(Entry):
    """Up to here the engine had looked when something was changed by hand."""


@dataclass(frozen=True)
class Done(Entry):
    """Something was changed by hand."""

    what: Intervention
