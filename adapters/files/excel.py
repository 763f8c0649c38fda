"""Workbooks: the first sheet that holds something, or the one that is named."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from adapters.files.base import Line, Options, Scan, Table
from adapters.files.columns import name_columns, rows_of
from adapters.files.dialects import Cells
from adapters.files.encodings import UTF8
from adapters.files.packing import Source
from rekindle.errors import Malformed, WrongUse

SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # a compound file, as Excel wrote until 2003
ZIP = b"PK\x03\x04"


def is_format(head: bytes) -> bool:
    """Whatever is packed as a zip archive and yet no list of files: those are opened before."""
    return head.startswith((ZIP, OLD_WORKBOOK))


def open_table(source: Source, scan: Scan, options: Options) -> Table:
    """Raises Malformed for a workbook that cannot be read, WrongUse for a sheet it has not."""
    sheet = _open_sheet(source, options.sheet)
    rows = sheet.iter_rows()
    header = next(rows, None)
    while header is not None and not any(cell != "" for cell in header):
        header = next(rows, None)
    if header is None:
        raise Malformed(f"{source.shown} is empty: the first row names the columns.")
    columns = name_columns([_as_text(cell) for cell in header], source.shown)
    note = (
        "a workbook" if source.suffix in SUFFIXES else f"a workbook, not {source.suffix or 'text'}"
    )
    return Table(
        lambda: _read(source, options.sheet, columns),
        columns,
        is_text=True,
        notes=(f"{note}; sheet {sheet.name!r}",),
    )


def _open_sheet(source: Source, wanted: str) -> CalamineSheet:
    with source.open() as file:
        content = BytesIO(file.read())
    try:
        book = CalamineWorkbook.from_filelike(content)
        if wanted and wanted not in book.sheet_names:
            found = ", ".join(book.sheet_names)
            raise WrongUse(f"{source.shown} has no sheet {wanted!r}, but {found}.")
        sheets = [
            book.get_sheet_by_name(name) for name in ([wanted] if wanted else book.sheet_names)
        ]
    except CalamineError as error:
        kind = (
            "is a workbook"
            if source.suffix in SUFFIXES
            else (f"is a workbook although its name ends in {source.suffix or 'nothing'},")
        )
        raise Malformed(f"{source.shown} {kind} and cannot be read: {error}.") from error
    if not sheets:
        raise Malformed(f"{source.shown} is a workbook without a sheet.")
    return next((sheet for sheet in sheets if sheet.total_height), sheets[0])


def _read(source: Source, sheet: str, columns: tuple[str, ...]) -> Iterator[Line]:
    return rows_of(_records(_open_sheet(source, sheet)), columns, UTF8)


def _records(sheet: CalamineSheet) -> Iterator[Cells]:
    is_header = True
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells = [_as_text(cell) for cell in row]
        if is_header and not any(cells):
            continue
        if not is_header:
            yield Cells(number, cells)
        is_header = False


def _as_text(cell: Any) -> str:
    """A cell as somebody would have typed it into a text file."""
    match cell:
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
        case datetime() | date() | time():
            return cell.isoformat(" ") if isinstance(cell, datetime) else cell.isoformat()
        case timedelta():
            return str(cell)
        case _:
            return str(cell)
