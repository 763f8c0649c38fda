"""The work of `rekindle import`: chunks, each one transaction with its resume point."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from adapters.files.base import Line, Options, Scan, Table, find_format, scan_file
from adapters.files.declared_types import parse_zone
from adapters.files.definition import Import
from adapters.files.encodings import parse_encoding
from adapters.files.layout import Layout, check_columns, guess_kind, layout_of, parse_layout
from adapters.files.packing import Source
from adapters.files.rows import Row, Rows, Types, types_of
from adapters.files.types import Typing
from rekindle.disks import writing
from rekindle.private_files import open_private
from rekindle.services import Services
from rekindle.settings import Settings
from store.imports import Progress, load_progress, save_progress
from store.records import Receipt
from workers.rows import Noted, parse_rows

CHUNK_ROWS = 2_000  # some 50 ms on SQLite: other writers wait no longer than that
Parse = Callable[[Row], Any]
Record = Callable[[Connection, Sequence[Any]], Receipt]


@dataclass(frozen=True)
class Prepared:
    """A file that was looked through and can be read from beginning to end."""

    source: Source
    table: Table
    layout: Layout
    types: Types
    digest: str
    lines: int
    origin: str  # where its events say they are from

    @property
    def path(self) -> Path:
        return self.source.path

    @property
    def rejects(self) -> Path:
        """Where the rows that are not taken are written, each with its reason."""
        return self.source.rejects

    @property
    def notes(self) -> tuple[str, ...]:
        """How it is read, where that is not what everybody expects."""
        return self.table.notes


@dataclass(frozen=True)
class Wishes:
    """What the command line says of its files."""

    maps: Sequence[str] = ()
    kind: str | None = None
    source: str = ""
    types: Sequence[str] = ()
    encoding: str = ""
    mapping: Import | None = None

    @property
    def named_encoding(self) -> str:
        """As the command or the mapping says; empty where neither does."""
        return self.encoding or (self.mapping.encoding if self.mapping else "")


@dataclass
class Outcome:
    """What became of a file; `reasons` are those of this run, with the first line of each."""

    progress: Progress
    reasons: Counter[str] = field(default_factory=Counter)
    first_lines: dict[str, int] = field(default_factory=dict)

    def note(self, noted: Sequence[Noted]) -> None:
        for row in noted:
            if not row.is_kept:
                self.reasons[row.reason] += 1
                self.first_lines.setdefault(row.reason, row.line.number)


def prepare_file(source: Source, wishes: Wishes, settings: Settings) -> Prepared:
    """Look at all of a file before any of it is used. Raises WrongUse, Malformed."""
    mapping = wishes.mapping
    scan, table = open_source(source, wishes)
    base = layout_of(mapping, settings.topics) if mapping else None
    kind = wishes.kind or (mapping.kind if mapping else guess_kind(table.columns, wishes.maps))
    layout = parse_layout(wishes.maps, kind, wishes.types, base)
    if table.columns is not None:
        check_columns(layout, table.columns, source.shown)
    types = types_of(table, layout, typing_of(mapping, layout, settings))
    origin = wishes.source or (mapping.source if mapping else "") or "import"
    way = "\n".join(
        (layout.kind, origin, *sorted(wishes.maps), *sorted(wishes.types), wishes.named_encoding)
    )
    way += mapping.model_dump_json() if mapping else ""
    digest = hashlib.sha256(f"{scan.digest}\n{way}".encode()).hexdigest()
    return Prepared(source, table, layout, types, digest, scan.lines, origin)


def open_source(source: Source, wishes: Wishes) -> tuple[Scan, Table]:
    """Read all of a file once, and open it as it is written. Raises WrongUse, Malformed."""
    encoding = wishes.named_encoding
    scan = scan_file(source, parse_encoding(encoding) if encoding else "")
    return scan, find_format(source).open_table(source, scan, _options_of(wishes.mapping))


def typing_of(mapping: Import | None, layout: Layout, settings: Settings) -> Typing:
    """What is known of the types of a file's cells before any is read."""
    zone = parse_zone(mapping.zone) if mapping and mapping.zone else None
    return Typing(settings.brand.tz, zone, layout.declared)


def _options_of(mapping: Import | None) -> Options:
    """How a mapping says that its files are written."""
    if mapping is None:
        return Options()
    return Options(
        mapping.encoding, mapping.separator, mapping.quote, mapping.escape, mapping.sheet
    )


def import_file(services: Services, file: Prepared, show: Callable[[int], None]) -> Outcome:
    """Bring a file in from where it stopped; `show` is told how many lines were done."""
    now, settings = services.clock.now(), services.settings
    rows = Rows(file.layout, file.types, file.origin, now)
    with services.store.read() as connection:
        progress = load_progress(connection, file.digest, file.source.path.name)
    _forget_rejects(file, progress)
    outcome = Outcome(progress)
    rows_seen = done = 0
    for chunk in _chunks(rows.group(file.table.read)):
        batch = parse_rows(chunk, rows)  # done ones too: equal rows are counted
        rows_seen += len(chunk)
        if rows_seen > progress.rows_done:
            outcome.note(batch.noted)
            _write_rejects(file, batch.noted)
            unusable = sum(row.is_kept for row in batch.noted)
            with services.store.begin() as tx:
                receipt = batch.record(tx, now, settings)
                rejected = len(batch.noted) - unusable
                progress = progress.after(len(chunk), receipt, rejected, unusable)
                save_progress(tx, progress)
        done = max(done, chunk[-1].number)  # rows that stood apart come last
        show(done)
    with services.store.begin() as tx:
        save_progress(tx, progress, finished_at=now)
    outcome.progress = progress
    return outcome


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, CHUNK_ROWS)):
        yield chunk


def _forget_rejects(file: Prepared, progress: Progress) -> None:
    """Keep of an earlier run what belongs to the rows that it finished, and nothing else."""
    with writing(file.rejects):
        if not progress.rows_done or file.rejects.is_symlink():  # whoever made that, we did not
            file.rejects.unlink(missing_ok=True)
            return
        done = progress.rejected + progress.unusable_addresses
        if file.rejects.exists():
            with file.rejects.open("r+b") as rejects:
                for _ in range(done):
                    rejects.readline()
                rejects.truncate(rejects.tell())


def _write_rejects(file: Prepared, noted: Sequence[Noted]) -> None:
    if not noted:
        return
    with (
        writing(file.rejects),
        open(file.rejects, "a", encoding="utf-8", opener=open_private) as rejects,
    ):
        for row in noted:
            entry = {
                "line": row.line.number,
                "reason": row.reason,
                "is_kept": row.is_kept,
                "row": row.line.row if row.line.row is not None else row.line.text or None,
            }
            rejects.write(json.dumps(entry, ensure_ascii=False, default=str) + "\n")
