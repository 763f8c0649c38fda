"""CSV: a header, then a row a line; a cell that reads as a plain decimal is a number."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from adapters.documents import require_whole, storable_text
from adapters.files.base import Line, is_utf8, open_text
from rekindle.errors import Malformed

SUFFIXES = (".csv", ".tsv", ".txt")
SEPARATORS = ",;\t|"
DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")  # not `007`, `+1`, `1e5`: those are texts


def read_columns(path: Path) -> tuple[str, ...]:
    """Raises Malformed for a file without a header, or with one name twice."""
    with open_text(path) as file:
        reader = _reader(file, path)
        return _columns(next(reader), path)


def read_lines(path: Path) -> Iterator[Line]:
    """Every row as cells by column; empty cells are left out."""
    with open_text(path) as file:
        reader = _reader(file, path)
        columns = _columns(next(reader), path)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(reader.line_num, None, str(error))
                continue
            if cells:
                yield _line(reader.line_num, columns, cells)


def parse_value(text: Any) -> Any:
    """The number that a cell says, else its text."""
    if not DECIMAL.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


def _line(number: int, columns: tuple[str, ...], cells: list[str]) -> Line:
    if len(cells) > len(columns):
        return Line(number, None, f"{len(cells)} cells, but only {len(columns)} columns")
    if not all(map(is_utf8, cells)):
        return Line(number, None, "the row is not UTF-8")
    filled = zip(columns, map(storable_text, map(str.strip, cells)), strict=False)
    return Line(number, {column: cell for column, cell in filled if column and cell})


def _reader(file: IO[str], path: Path) -> Any:
    """A reader that stands before the header; separators other than commas are told by it."""
    header = file.readline()
    if not header.strip():
        raise Malformed(f"{path} is empty: the first line names the columns.")
    if not is_utf8(header):
        raise Malformed(f"{path}:1: the header is not UTF-8. Save the file as UTF-8 first.")
    separator = max(SEPARATORS, key=header.count)
    file.seek(0)
    return csv.reader(file, delimiter=separator)


def _columns(cells: list[str], path: Path) -> tuple[str, ...]:
    columns = tuple(storable_text(cell.strip()) for cell in cells)
    require_whole(*columns)
    named = [column for column in columns if column]
    if twice := sorted({column for column in named if named.count(column) > 1}):
        raise Malformed(f"{path}: more than one column is called {', '.join(twice)}.")
    return columns
