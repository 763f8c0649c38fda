"""How a text table is written: what stands between cells and around them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from rekindle.counting import counted

SEPARATORS = ",;\t|"
SHOWN = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)  # Excel's own; no cell of any header
# A quoted cell may hold lines, but one that never closes would hold the rest of the file.
LONGEST_CELL = 1 << 20
LONGEST_SHOWN = 40
NEVER = "\n\n"  # what no line holds
UNCLEAN = r"[^\x20-\x7e]|(?:^|{0})[ =']| (?:{0}|$)"  # blanks at an edge, or anything rare


@dataclass(frozen=True)
class Dialect:
    """One way to write CSV. Without `escape` a quote inside a quoted cell is written twice."""

    separator: str = ","
    quote: str = '"'  # empty: none, and what looks like one is text
    escape: str = ""


class Cells(NamedTuple):
    """One record, or what is wrong with it and the text of it."""

    number: int  # of its last line, from 1; of a record that is wrong, where that begins
    cells: list[str]
    problem: str = ""
    text: str = ""
    is_clean: bool = False  # for certain nothing stands around any cell that is no part of it


class NotARecord(Exception):
    """What stands here cannot be read as a record."""


@dataclass
class Lines:
    """The lines of a file with their numbers, of which some may be taken back."""

    source: Iterator[str]
    number: int = 0  # of the line that was given last
    _returned: list[str] = field(default_factory=list)

    def next(self) -> str | None:
        line = self._returned.pop() if self._returned else next(self.source, None)
        self.number += line is not None
        return line

    def take_back(self, lines: list[str]) -> None:
        self._returned += reversed(lines)
        self.number -= len(lines)


class RecordReader:
    """Reads one record from one line or several: `feed` it until it is no longer open."""

    def __init__(self, dialect: Dialect) -> None:
        separator, quote, escape = map(
            re.escape, (dialect.separator, dialect.quote, dialect.escape)
        )
        escaped = f"|{escape}." if escape else ""
        stops = f"{separator}{escape}\\r\\n"
        twice = f"|{quote}{quote}" if quote else ""
        blanks = r"[ \t\xa0]".replace(r"\t", "") if dialect.separator == "\t" else r"[ \t\xa0]"
        self.dialect = dialect
        self._plain = re.compile(f"(?:[^{stops}]{escaped})*", re.DOTALL)
        self._opening = re.compile(f"{blanks}*{quote}") if quote else None
        inside = f"(?:[^{quote}{escape}]{twice}{escaped})*" if quote else "(?!)"
        self._inside = re.compile(inside, re.DOTALL)
        self._closing = re.compile(f"{quote}{blanks}*(?={separator}|[\\r\\n]|$)")
        self._escaped = re.compile(f"{escape}(.)", re.DOTALL) if escape else None

    def start(self) -> None:
        self.cells: list[str] = []
        self.is_open = False
        self.has_stray_quote = False
        self._parts: list[str] = []

    def feed(self, line: str) -> None:
        """Read on in the next line. Raises NotARecord where a quote closes inside a cell."""
        at, end = 0, len(line)
        while True:
            at = self._quoted(line, at) if self.is_open else self._cell(line, at)
            if self.is_open:
                return
            if at >= end or line[at] in "\r\n":
                return
            at += 1  # the separator

    def _cell(self, line: str, at: int) -> int:
        if self._opening and (opening := self._opening.match(line, at)):
            self.is_open = True
            return self._quoted(line, opening.end())
        plain = self._plain.match(line, at)
        assert plain is not None
        text = plain[0]
        bare = self._escaped.sub("", text) if self._escaped else text
        self.has_stray_quote |= bool(self.dialect.quote) and self.dialect.quote in bare
        self.cells.append(self._escaped.sub(r"\1", text) if self._escaped else text)
        return plain.end()

    def _quoted(self, line: str, at: int) -> int:
        inside = self._inside.match(line, at)
        assert inside is not None
        self._parts.append(inside[0])
        if inside.end() == len(line):
            return inside.end()
        closing = self._closing.match(line, inside.end())
        if closing is None:
            shown = line[inside.end() + 1 :].strip()[:LONGEST_SHOWN]
            raise NotARecord(f"a quote closes before {shown!r}, inside a cell")
        text, quote = "".join(self._parts), self.dialect.quote
        self._parts.clear()
        text = text.replace(quote * 2, quote)
        self.cells.append(self._escaped.sub(r"\1", text) if self._escaped else text)
        self.is_open = False
        return closing.end()


def read_records(
    lines: Iterable[str], dialect: Dialect, columns: int | None = None, number: int = 0
) -> Iterator[Cells]:
    """Every record of `lines` that follow line `number`; blank lines are passed over.

    A record that cannot be read costs its first line only, and reading goes on with the next one.
    Several lines are one record only where nothing speaks against it: a quote that closes where
    a cell ends, no stray one after it, and as many cells as there are `columns`.
    """
    ahead = Lines(iter(lines), number)
    reader = RecordReader(dialect)
    quote, escape = dialect.quote or NEVER, dialect.escape or NEVER
    find_unclean = re.compile(UNCLEAN.format(re.escape(dialect.separator))).search
    while (line := ahead.next()) is not None:
        if quote not in line and escape not in line:
            if not (text := line.rstrip("\r\n")):
                continue
            is_clean = find_unclean(text) is None
            record = Cells(ahead.number, text.split(dialect.separator), is_clean=is_clean)
        else:
            record = _read_record(line, ahead, reader, columns)
        if line[-1] not in "\r\n" and columns and len(record.cells) < columns:
            record = _cut(record, line, columns)
        yield record


def _read_record(line: str, ahead: Lines, reader: RecordReader, columns: int | None) -> Cells:
    first, further, size = ahead.number, list[str](), len(line)
    reader.start()
    try:
        reader.feed(line)
        while reader.is_open:
            following = ahead.next() if size < LONGEST_CELL else None
            if following is None:
                raise NotARecord("")
            further.append(following)
            size += len(following)
            reader.feed(following)
        if further and (reader.has_stray_quote or not has_width(reader.cells, columns)):
            raise NotARecord("")
    except NotARecord as error:
        ahead.take_back(further)
        problem = f"a quote that is opened in line {first} never closes"
        if not further and str(error):
            problem = f"in line {first} {error}; inside a quoted cell a quote is written twice"
        return Cells(first, [], problem, line.rstrip("\r\n"))
    return Cells(ahead.number, reader.cells)


def _cut(record: Cells, line: str, columns: int) -> Cells:
    """The last record, where neither its line nor its cells are complete."""
    if record.problem:
        return record
    cells = counted(len(record.cells), "cell")
    problem = f"the file ends inside line {record.number}, after {cells} of {columns}"
    return Cells(record.number, [], problem, line)


def has_width(cells: list[str], columns: int | None) -> bool:
    """Whether a record has one cell for each column; spreadsheets add empty ones at the end."""
    if columns is None or len(cells) == columns:
        return True
    return len(cells) > columns and not any(map(str.strip, cells[columns:]))


def guess_separator(head: str, quote: str) -> str:
    """The separator that gives most records of the file's beginning as many cells as the first.

    One by which the header cannot be read, as where its quotes close before another sign, comes
    after those by which it can.
    """
    lines = head.splitlines(keepends=True)
    if len(lines) > 1 and not head.endswith(("\n", "\r")):
        lines.pop()  # it may be cut
    scores = [(*_score(lines, sign, quote), -at, sign) for at, sign in enumerate(SEPARATORS)]
    return max(scores)[-1]


def _score(lines: list[str], separator: str, quote: str) -> tuple[bool, bool, int, int]:
    records = list(read_records(lines, Dialect(separator, quote)))
    widths = [len(record.cells) for record in records if not record.problem]
    if not widths or widths[0] < 2:
        return False, False, 0, 0
    alike = sum(width == widths[0] for width in widths[1:])
    return True, not records[0].problem, alike - (len(records) - len(widths)), widths[0]
