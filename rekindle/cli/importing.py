"""The work of `rekindle import`: chunks, each one transaction with its resume point."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from adapters.files.base import Format, Line, find_format, scan_file
from adapters.files.layout import Layout, check_columns, guess_kind, parse_layout
from adapters.files.rows import Row, Rows
from rekindle.addresses import EmailAddress
from rekindle.errors import Malformed, NotAnAddress, WrongUse
from rekindle.private_files import open_private
from rekindle.services import Services
from rekindle.settings import Settings
from store.blocking import suppress_addresses
from store.imports import Progress, load_progress, save_progress
from store.intake import record_customers, record_events
from store.records import IncomingCustomer, IncomingEvent, Receipt
from store.tables import EPOCH

CHUNK_ROWS = 1_000  # some 70 ms on SQLite: other writers wait no longer than that
Parse = Callable[[Row], Any]
Record = Callable[[Connection, Sequence[Any]], Receipt]


@dataclass(frozen=True)
class Prepared:
    """A file that was looked through and can be read from beginning to end."""

    path: Path
    format: Format
    layout: Layout
    digest: str
    lines: int

    @property
    def rejects(self) -> Path:
        """Where the rows that are not taken are written, each with its reason."""
        return self.path.with_name(f"{self.path.name}.rejects.jsonl")


@dataclass(frozen=True)
class Noted:
    """A row that was not taken, or one whose address cannot be used, and why."""

    line: Line
    reason: str
    is_kept: bool = False


def prepare_file(path: Path, maps: Sequence[str], kind: str | None, source: str) -> Prepared:
    """Look at all of a file before any of it is used. Raises WrongUse, Malformed."""
    format_ = find_format(path)
    scan = scan_file(path)
    columns = format_.read_columns(path)
    layout = parse_layout(maps, kind or guess_kind(columns, maps))
    if columns is not None:
        check_columns(layout, columns, str(path))
    way = "\n".join((layout.kind, source, *sorted(maps)))
    digest = hashlib.sha256(f"{scan.digest}\n{way}".encode()).hexdigest()
    return Prepared(path, format_, layout, digest, scan.lines)


def import_file(
    services: Services, file: Prepared, source: str, show: Callable[[int], None]
) -> Progress:
    """Bring a file in from where it stopped; `show` is told how many lines were done."""
    now, settings = services.clock.now(), services.settings
    rows = Rows(file.layout, file.format.parse_value, settings.brand.tz, source, now)
    parse, record = _way_of(rows, settings, now)
    with services.store.read() as connection:
        progress = load_progress(connection, file.digest, file.path.name)
    if not progress.rows_done:
        file.rejects.unlink(missing_ok=True)
    rows_seen = 0
    for chunk in _chunks(file.format.read_lines(file.path)):
        items, noted = _parsed(chunk, parse)  # done ones too: equal rows are counted
        rows_seen += len(chunk)
        if rows_seen > progress.rows_done:
            _note(file, noted)
            unusable = sum(one.is_kept for one in noted)
            with services.store.begin() as tx:
                receipt = record(tx, items)
                progress = progress.after(len(chunk), receipt, len(noted) - unusable, unusable)
                save_progress(tx, progress)
        show(chunk[-1].number)
    with services.store.begin() as tx:
        save_progress(tx, progress, finished_at=now)
    return progress


def _way_of(rows: Rows, settings: Settings, now: datetime) -> tuple[Parse, Record]:
    """How rows of this kind are read, and how what they say is stored.

    What a file says of customers and addresses is known from the beginning.
    """
    match rows.layout.kind:
        case "customers":
            return rows.parse_customer, lambda tx, items: record_customers(tx, items, now=now)
        case "suppressions":
            return rows.parse_suppression, lambda tx, items: suppress_addresses(
                tx, items, now, known_at=EPOCH
            )
        case _:
            return rows.parse_event, lambda tx, items: record_events(
                tx, items, now=now, settings=settings
            )


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, CHUNK_ROWS)):
        yield chunk


def _parsed(chunk: Sequence[Line], parse: Parse) -> tuple[list[Any], list[Noted]]:
    items: list[Any] = []
    noted: list[Noted] = []
    for line in chunk:
        try:
            if line.row is None:
                raise Malformed(line.problem)
            items.append(item := parse(line.row))
        except Malformed as error:
            noted.append(Noted(line, str(error)))
            continue
        if reason := _why_unusable(item):
            noted.append(Noted(line, f"no usable address: {reason}", is_kept=True))
    return items, noted


def _why_unusable(item: object) -> str:
    """Why nobody can be reached by the address that a row gives; empty where it gives none."""
    if not isinstance(item, IncomingCustomer | IncomingEvent):
        return ""
    given = item.traits.get("email")
    if given in (None, ""):
        return ""
    try:
        EmailAddress.parse(str(given))
    except NotAnAddress as error:
        return error.reason
    return "" if isinstance(given, str) else "it is not text"


def _note(file: Prepared, noted: Sequence[Noted]) -> None:
    if not noted:
        return
    try:
        with open(file.rejects, "a", encoding="utf-8", opener=open_private) as rejects:
            for one in noted:
                entry = {
                    "line": one.line.number,
                    "reason": one.reason,
                    "is_kept": one.is_kept,
                    "row": one.line.row,
                }
                rejects.write(json.dumps(entry, ensure_ascii=False) + "\n")
    except OSError as error:
        raise WrongUse(f"{file.rejects} cannot be written: {error.strerror}.") from error
