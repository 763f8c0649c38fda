"""Rows of files and of databases: read by their layout, and stored a batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from adapters.files.base import Line
from adapters.files.layout import Layout
from adapters.files.rows import Rows
from rekindle.addresses import EmailAddress
from rekindle.errors import Malformed, NotAnAddress
from rekindle.settings import Settings
from store.blocking import suppress_addresses
from store.customers_by_address import make_by_address, with_ids_by_address
from store.intake import record_customers, record_events
from store.records import IncomingCustomer, IncomingEvent, Receipt
from store.tables import EPOCH

KNOWN_BY_ADDRESS = (IncomingCustomer, IncomingEvent)


@dataclass(frozen=True)
class Noted:
    """A row that was not taken, or one whose address cannot be used, and why."""

    line: Line
    reason: str
    is_kept: bool = False


@dataclass
class Batch:
    """What a chunk of rows says, and what nobody could read of it."""

    layout: Layout
    items: list[Any] = field(default_factory=list)
    further: list[IncomingEvent] = field(default_factory=list)
    suppressed: list[tuple[str, str]] = field(default_factory=list)
    noted: list[Noted] = field(default_factory=list)

    def record(self, tx: Connection, now: datetime, settings: Settings) -> Receipt:
        """Store it; what a file says of customers and addresses is known from the beginning."""
        match self.layout.kind:
            case "customers":
                if self.layout.is_by_address:
                    self.items = with_ids_by_address(tx, self.items)
                receipt = record_customers(tx, self.items, now=now)
                if self.suppressed:
                    suppress_addresses(tx, self.suppressed, now, known_at=EPOCH)
                return receipt
            case "suppressions":
                return suppress_addresses(tx, self.items, now, known_at=EPOCH)
            case _:
                if self.layout.makes_unknown:
                    make_by_address(tx, self.items, now)
                receipt = record_events(tx, self.items, now=now, settings=settings)
                if self.further:
                    record_events(tx, self.further, now=now, settings=settings)
                return receipt


def parse_rows(chunk: Sequence[Line], rows: Rows) -> Batch:
    """Read each row by the layout of its file; one that cannot be is noted, and costs no other."""
    batch = Batch(rows.layout)
    parse = {"customers": rows.parse_customer, "suppressions": rows.parse_suppression}.get(
        rows.layout.kind, rows.parse_event
    )
    for line in chunk:
        try:
            if line.row is None:
                raise Malformed(line.problem)
            item: Any = parse(line.row)
            if isinstance(item, IncomingEvent) and rows.layout.also:
                batch.further += rows.further_events(line.row, item)
        except Malformed as error:
            batch.noted.append(Noted(line, str(error)))
            continue
        batch.items.append(item)
        if isinstance(item, IncomingCustomer) and rows.layout.suppressed:
            told = rows.suppression_of(line.row, item)
            batch.suppressed += [told] if told else []
        if reason := _why_unusable(item):
            batch.noted.append(Noted(line, f"no usable address: {reason}", is_kept=True))
    return batch


def _why_unusable(item: object) -> str:
    """Why nobody can be reached by the address that a row gives; empty where it gives none."""
    if not isinstance(item, KNOWN_BY_ADDRESS) or "email" not in item.traits:
        return ""
    given = item.traits["email"]
    if given in (None, ""):
        return ""
    try:
        EmailAddress.parse(str(given))
    except NotAnAddress as error:
        return error.reason
    return "" if isinstance(given, str) else "it is not text"
