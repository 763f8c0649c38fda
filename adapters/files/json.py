"""JSON: an object a line, a list of objects, or objects one after the other."""

import json
import re
from collections.abc import Iterator
from typing import IO, Any

from adapters.documents import parse_json, require_whole_names
from adapters.files.base import HEAD_BYTES, Line, Options, Scan, Table, open_text
from adapters.files.encodings import UTF8, shown_encoding
from adapters.files.packing import Source
from rekindle.errors import Malformed

SUFFIXES = (".jsonl", ".ndjson", ".json")
CHUNK = 1 << 20
LONGEST_DOCUMENT = 1 << 24  # characters; one that is longer never ends
BETWEEN = re.compile(r"[\s,]*")
LINE_START = re.compile(r"[^\S\n]*(?=[{\[])")
BEGINNINGS = re.compile(rb"(\xef\xbb\xbf)?\s*(\{\s*[\"}]|\[\s*[{\]])")
decode = json.JSONDecoder().raw_decode


def is_format(head: bytes) -> bool:
    """Whether a file begins as an object, or as a list of them: no header of CSV does."""
    return BEGINNINGS.match(head) is not None


def open_table(source: Source, scan: Scan, _options: Options) -> Table:
    """JSON itself says what is a number, and every row names its own columns."""
    with open_text(source, scan.encoding) as file:
        head = file.read(HEAD_BYTES)
    read = _read_lines if _is_line_by_line(head) else _read_stream
    notes = () if scan.encoding == UTF8 else (shown_encoding(scan.encoding),)
    return Table(lambda: read(source, scan.encoding), notes=notes)


def _is_line_by_line(head: str) -> bool:
    """Whether the first object ends with its line; a broken one does too, for all we know."""
    start = BETWEEN.match(head)
    assert start is not None
    if head.startswith("[", start.end()):
        return False
    try:
        _, end = decode(head, start.end())
    except (ValueError, RecursionError):
        first, _, rest = head[start.end() :].partition("\n")
        return first.strip() != "{" or not rest
    return "\n" not in head[start.end() : end]


def _read_lines(source: Source, encoding: str) -> Iterator[Line]:
    with open_text(source, encoding) as file:
        for number, written in enumerate(_physical_lines(file), start=1):
            if text := written.strip().lstrip("\ufeff"):
                yield _line(number, text, "line")


def _physical_lines(file: IO[str]) -> Iterator[str]:
    """Lines end with a line feed only: a carriage return may stand anywhere between values."""
    pending = ""
    for piece in file:
        pending += piece
        if pending.endswith("\n"):
            yield pending
            pending = ""
    if pending:
        yield pending


def _line(number: int, text: str, called: str) -> Line:
    try:
        document = parse_json(text.encode("utf-8", "surrogateescape"))
        if isinstance(document, dict):
            require_whole_names(document)
    except Malformed as error:
        shown = text.encode("utf-8", "replace").decode()[:1_000]
        return Line(number, None, str(error).replace("the body", f"the {called}"), shown)
    if not isinstance(document, dict):
        return Line(number, None, f"the {called} is not a JSON object", text[:1_000])
    return Line(number, document)


class _Buffer:
    """The part of a file that is being read, and the number of its first line."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._at_end = False
        self.text = ""
        self.line = 1

    def fill(self) -> bool:
        """Read more, as much again as there is; False at the end of the file."""
        more = self._file.read(max(CHUNK, len(self.text)))
        self.text += more
        return bool(more)

    def drop(self, size: int) -> None:
        self.line += self.text.count("\n", 0, size)
        self.text = self.text[size:]


def _read_stream(source: Source, encoding: str) -> Iterator[Line]:
    """The objects of a list, or one after the other, each over as many lines as it needs."""
    with open_text(source, encoding) as file:
        buffer = _Buffer(file)
        buffer.fill()
        at = _skip(buffer, 0)
        is_list = buffer.text.startswith("[", at)
        at += is_list
        indent: str | None = None
        while True:
            at = _skip(buffer, at)
            if is_list and buffer.text.startswith("]", at):
                at, is_list = at + 1, False
                continue
            if at >= len(buffer.text):
                return
            if indent is None:
                indent = buffer.text[:at].rpartition("\n")[2]
            number = buffer.line + buffer.text.count("\n", 0, at)
            if at > CHUNK:
                buffer.drop(at)
                at = 0
            end = _find_end(buffer, at)
            if end is not None:
                yield _line(number, buffer.text[at:end], "object")
            else:
                end = _resume(buffer, at, indent)
                yield _line(number, buffer.text[at:end].rstrip(" \r\n\t,]"), "object")
            at = end


def _skip(buffer: _Buffer, at: int) -> int:
    """Past blanks and commas, reading on where the buffer ends with them."""
    while True:
        found = BETWEEN.match(buffer.text, at)
        assert found is not None
        at = found.end()
        if at < len(buffer.text):
            return at
        buffer.drop(at)
        at = 0
        if not buffer.fill():
            return at


def _find_end(buffer: _Buffer, at: int) -> int | None:
    """Where the value that begins here ends; None where it never does."""
    while True:
        try:
            return int(decode(buffer.text, at)[1])
        except RecursionError:
            return None
        except ValueError:
            if len(buffer.text) - at > LONGEST_DOCUMENT or not buffer.fill():
                return None


def _resume(buffer: _Buffer, at: int, indent: str) -> int:
    """Where the next value begins after a broken one: a line that starts as the first one does."""
    beginning = re.compile(rf"\n{re.escape(indent.rstrip('[{'))}[ \t,]*\{{", re.MULTILINE)
    found: Any = beginning.search(buffer.text, at)
    return int(found.end()) - 1 if found else len(buffer.text)
