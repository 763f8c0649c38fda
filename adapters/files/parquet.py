"""Parquet, with the extra `files`: columns that know their types."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib import import_module
from io import BytesIO
from typing import Any

from adapters.documents import parse_json, require_whole, storable_text
from adapters.files.base import Line, Options, Scan, Table
from adapters.files.packing import Source
from rekindle.errors import Malformed, WrongUse

SUFFIXES = (".parquet", ".pq")
MAGIC = b"PAR1"
JSON = "arrow.json"  # the type of columns whose texts are documents
BATCH_ROWS = 10_000


def is_format(head: bytes) -> bool:
    return head.startswith(MAGIC)


def open_table(source: Source, _scan: Scan, _options: Options) -> Table:
    """Raises Malformed for a file that cannot be read, WrongUse without the extra."""
    with source.open() as file:
        columns = tuple(storable_text(name) for name in _open(source, file).schema_arrow.names)
    require_whole(*columns)
    return Table(lambda: _read(source), columns)


def _open(source: Source, file: Any) -> Any:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise WrongUse("reading Parquet needs: pip install 'rekindle[files]'") from error
    try:
        return parquet.ParquetFile(file if source.path.suffix in SUFFIXES else BytesIO(file.read()))
    except (OSError, ValueError) as error:
        raise Malformed(f"{source.shown} cannot be read as Parquet: {error}") from error


def _read(source: Source) -> Iterator[Line]:
    number = 0
    with source.open() as file:
        opened = _open(source, file)
        documents = {
            field.name
            for field in opened.schema_arrow
            if getattr(field.type, "extension_name", "") == JSON
        }
        for batch in opened.iter_batches(BATCH_ROWS):
            for row in batch.to_pylist():
                number += 1
                for name in documents:
                    row[name] = _parsed(row[name])
                filled = ((name, plain_value(value)) for name, value in row.items())
                yield Line(
                    number, {name: value for name, value in filled if value not in (None, "")}
                )


def _parsed(text: Any) -> Any:
    try:
        return parse_json(text.encode()) if isinstance(text, str) else text
    except Malformed:  # a column says that it is JSON, and is not
        return text


def plain_value(value: Any) -> Any:
    """A value as JSON has it."""
    match value:
        case str():
            return storable_text(value)
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case float():
            return value if value == value and abs(value) != float("inf") else None
        case bytes():
            return storable_text(value.decode("utf-8", "replace"))
        case list():
            return [plain_value(item) for item in value]
        case dict():
            return {storable_text(name): plain_value(item) for name, item in value.items()}
        case _:
            return value
