"""What commands tell as a table: CSV for spreadsheets and pipes, Parquet for analysts.

CSV is UTF-8 with commas. A text that a spreadsheet would take for a formula gets an apostrophe in
front, which `import` takes off again. Parquet, with the extra `files`, keeps every value as it is.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import IO, Any

from rekindle.errors import WrongUse

Row = Mapping[str, Any]
A_CHUNK = 5_000  # rows in memory, and in a row group of Parquet
# OWASP, CSV Injection, read 2026-11: what begins a formula, wide forms included; an apostrophe
# before one of them is doubled, so that taking one off always gives the text back
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
SPECIAL = re.compile(r'[",\r\n]')
QUOTE = '"'
SMALLEST, LARGEST = -(2**63), 2**63 - 1


class TableFormat(StrEnum):
    """How a table is written."""

    CSV = "csv"
    PARQUET = "parquet"


def write_table(
    read: Callable[[], Iterable[Row]],
    format_: TableFormat,
    columns: Sequence[str] = (),
    out: IO[bytes] | None = None,
) -> None:
    """Write what `read` gives to `out`, standard output by default; memory stays flat.

    `read` is called again where columns or types must be known first: it gives the same each time.
    Raises WrongUse without the extra that Parquet needs, or for Parquet on a terminal.
    """
    target = out if out is not None else _standard_output(format_)
    names = list(columns) or _columns_of(read())
    match format_:
        case TableFormat.CSV if not names:
            pass
        case TableFormat.CSV:
            _write_csv(read(), names, target)
        case TableFormat.PARQUET:
            _write_parquet(read, names, target)
    target.flush()


def _standard_output(format_: TableFormat) -> IO[bytes]:
    if format_ is TableFormat.PARQUET and sys.stdout.isatty():
        raise WrongUse("--parquet is not text: send it into a file, as in '--parquet > FILE'.")
    sys.stdout.flush()
    return sys.stdout.buffer


def _columns_of(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


# --- CSV
# -------------------------------------------------------------------------------------------------


def _write_csv(rows: Iterable[Row], names: Sequence[str], out: IO[bytes]) -> None:
    remaining = iter(rows)
    written: list[list[str]] = [[as_cell(name) for name in names]]
    while written:
        out.write("".join(map(_line, written)).encode("utf-8", "replace"))
        written = [[as_cell(row.get(name)) for name in names] for row in islice(remaining, A_CHUNK)]


def _line(cells: Sequence[str]) -> str:
    """RFC 4180 with a line feed. Python's own writer leaves a lone carriage return without quotes,
    at which its reader ends the row.
    """
    quoted = (
        f'"{cell.replace(QUOTE, QUOTE * 2)}"' if SPECIAL.search(cell) else cell for cell in cells
    )
    return f"{','.join(quoted) or QUOTE * 2}\n"


def as_cell(value: Any) -> str:
    """Return a value as a cell of CSV; what is nothing is empty, objects and lists are JSON."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}" if FORMULA.match(value) else value
        case int() | float():
            return str(value)
        case datetime() | date() | Path():
            return _as_text(value)
        case _:
            return _as_json(value)


def _as_text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date() | Path() | int() | float():
            return str(value)
        case _:
            return _as_json(value)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_as_plain)


def _as_plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else _as_text(value)


# --- Parquet
# -------------------------------------------------------------------------------------------------


class Kind(StrEnum):
    """Of what type all values of a column are."""

    NOTHING = "nothing"
    YES_NO = "yes_no"
    WHOLE = "whole"
    NUMBER = "number"
    INSTANT = "instant"
    JSON = "json"  # objects and lists
    TEXT = "text"


def _write_parquet(read: Callable[[], Iterable[Row]], names: Sequence[str], out: IO[bytes]) -> None:
    """In two passes: a column whose values are all of one type has that type, else it is text."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise WrongUse("writing Parquet needs: pip install 'rekindle[files]'") from error
    kinds = _kinds_of(read(), names)
    types = {
        Kind.NOTHING: arrow.string(),
        Kind.YES_NO: arrow.bool_(),
        Kind.WHOLE: arrow.int64(),
        Kind.NUMBER: arrow.float64(),
        Kind.INSTANT: arrow.timestamp("us", tz="UTC"),
        Kind.JSON: arrow.json_(),
        Kind.TEXT: arrow.string(),
    }
    schema = arrow.schema([(name, types[kinds[name]]) for name in names])
    rows = iter(read())
    with parquet.ParquetWriter(out, schema) as writer:
        while chunk := list(islice(rows, A_CHUNK)):
            columns = [
                arrow.array(
                    [_as_kind(row.get(name), kinds[name]) for row in chunk],
                    arrow.string() if kinds[name] is Kind.JSON else types[kinds[name]],
                ).cast(types[kinds[name]])
                for name in names
            ]
            writer.write_table(arrow.table(columns, schema=schema))


def _kinds_of(rows: Iterable[Row], names: Sequence[str]) -> dict[str, Kind]:
    kinds = dict.fromkeys(names, Kind.NOTHING)
    for row in rows:
        for name, value in row.items():
            if name in kinds and value is not None and kinds[name] is not Kind.TEXT:
                kinds[name] = _common(kinds[name], _kind_of(value))
    return kinds


def _kind_of(value: Any) -> Kind:
    match value:
        case bool():
            return Kind.YES_NO
        case int() if SMALLEST <= value <= LARGEST:
            return Kind.WHOLE
        case float() if math.isfinite(value):
            return Kind.NUMBER
        case datetime():
            return Kind.INSTANT
        case Mapping() | list() | tuple():
            return Kind.JSON
        case _:
            return Kind.TEXT


def _common(one: Kind, other: Kind) -> Kind:
    if one is other or one is Kind.NOTHING:
        return other
    return Kind.NUMBER if {one, other} == {Kind.WHOLE, Kind.NUMBER} else Kind.TEXT


def _as_kind(value: Any, kind: Kind) -> Any:
    match kind:
        case _ if value is None:
            return None
        case Kind.NUMBER:
            return float(value)
        case Kind.TEXT | Kind.JSON:
            return _as_text(value).encode("utf-8", "replace").decode()
        case Kind.NOTHING | Kind.YES_NO | Kind.WHOLE | Kind.INSTANT:
            return value


# --- rows
# -------------------------------------------------------------------------------------------------


def rows_of(document: object) -> Sequence[Row]:
    """Return what a command says as rows: a list as it is, anything else as the only one."""
    if isinstance(document, list | tuple):
        return [item if isinstance(item, Mapping) else {"value": item} for item in document]
    return [document] if isinstance(document, Mapping) else []


def flatten(rows: Iterable[Row], names: Sequence[str], columns: Sequence[str]) -> Iterator[Row]:
    """Return rows with the traits called `names` in columns of their own beside `columns`."""
    places = {name: place_of(name, columns) for name in names}
    for row in rows:
        told = row.get("traits") or {}
        rest = {name: value for name, value in row.items() if name != "traits"}
        yield rest | {place: told.get(name) for name, place in places.items()}


def place_of(name: str, columns: Sequence[str]) -> str:
    """Return the column of a trait: its own name, unless the rows have a column called so."""
    return f"trait.{name}" if name in columns else name
