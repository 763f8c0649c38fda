"""CSV in any dialect: a header, then a row a line."""

from collections.abc import Iterator
from io import StringIO
from itertools import islice

from adapters.files.base import HEAD_BYTES, Line, Options, Scan, Table, open_text
from adapters.files.columns import name_columns, rows_of
from adapters.files.dialects import (
    SEPARATOR_LINE,
    SHOWN,
    Cells,
    Dialect,
    guess_separator,
    read_records,
)
from adapters.files.encodings import UTF8, is_readable, shown_encoding
from adapters.files.packing import Source
from rekindle.errors import Malformed

SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
MOST_EMPTY = 20  # records before the header


def is_format(_head: bytes) -> bool:
    """Any text may be CSV, so it is never certain."""
    return False


def open_table(source: Source, scan: Scan, options: Options) -> Table:
    """Raises Malformed for a file without a header."""
    with open_text(source, scan.encoding) as file:
        head = file.read(HEAD_BYTES)
    said = SEPARATOR_LINE.match(head)
    body = head[said.end() :] if said else head
    quote = '"' if options.quote is None else options.quote
    separator = options.separator or (said[1] if said else guess_separator(body, quote))
    dialect = Dialect(separator, quote, options.escape)
    before, header = _read_header(body, dialect, source)
    if not all(map(is_readable, header.cells)):
        raise Malformed(
            f"{source.shown}:1: the header is not {shown_encoding(scan.encoding)}. "
            "Say with --encoding what it is."
        )
    columns = name_columns(header.cells, source.shown)
    skipped = bool(said)
    notes = [] if scan.encoding == UTF8 else [shown_encoding(scan.encoding)]
    notes += [] if separator == "," else [f"{SHOWN.get(separator, repr(separator))}-separated"]
    return Table(
        lambda: _read(source, scan, dialect, columns, skipped, before),
        columns,
        is_text=True,
        notes=tuple(notes),
    )


def _read_header(body: str, dialect: Dialect, source: Source) -> tuple[int, Cells]:
    """The first record that holds anything, and how many empty ones some exports put before it."""
    if not body.partition("\n")[0].strip():
        raise Malformed(f"{source.shown} is empty: the first line names the columns.")
    records = enumerate(islice(read_records(StringIO(body, newline=""), dialect), MOST_EMPTY))
    before, header = next(
        (found for found in records if found[1].problem or any(map(str.strip, found[1].cells))),
        (0, Cells(1, [])),
    )
    if header.problem:
        raise Malformed(f"{source.shown}: {header.problem}; the first line names the columns.")
    return before, header


def _read(
    source: Source,
    scan: Scan,
    dialect: Dialect,
    columns: tuple[str, ...],
    skipped: bool,
    before: int,
) -> Iterator[Line]:
    with open_text(source, scan.encoding) as file:
        if skipped:
            file.readline()
        records = read_records(file, dialect, len(columns), int(skipped))
        yield from rows_of(islice(records, before + 1, None), columns, scan.encoding)
