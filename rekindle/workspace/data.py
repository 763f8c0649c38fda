"""Reads the tables that templates may use as `data.NAME`."""

import csv
from collections.abc import Iterator

from rekindle.counting import counted
from rekindle.workspace.problems import Place, Problem

Row = dict[str, str]


def parse_csv(text: str, file: str) -> tuple[tuple[Row, ...], tuple[Problem, ...]]:
    """The rows by column name, all values as text, and what is wrong with them."""
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
        table = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        place = Place(file, max(1, reader.line_num))
        return (), (Problem(place, f"this line cannot be read as CSV: {error}."),)
    problems = (*_check_header(header, file), *_check_widths(header, table, file))
    return tuple(dict(zip(header, cells, strict=False)) for _line, cells in table), problems


def _check_header(header: list[str], file: str) -> Iterator[Problem]:
    if not header:
        yield Problem(Place(file), "this table is empty; its first line names the columns.")
    for name in sorted({name for name in header if header.count(name) > 1}):
        yield Problem(Place(file), f"two columns are called {name!r}.")


def _check_widths(
    header: list[str], table: list[tuple[int, list[str]]], file: str
) -> Iterator[Problem]:
    for line, cells in table:
        if len(cells) != len(header):
            said = f"this line has {counted(len(cells), 'cell')} and the header {len(header)}."
            yield Problem(Place(file, line), said)
