"""JSON Lines: an object a line, either a row by column names or a Segment-spec message."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.documents import parse_json, require_whole_names
from adapters.files.base import Line, open_bytes
from rekindle.errors import Malformed

SUFFIXES = (".jsonl", ".ndjson", ".json")
BOM = b"\xef\xbb\xbf"


def parse_value(value: Any) -> Any:
    """JSON says what is a number."""
    return value


def read_columns(_path: Path) -> None:
    """Every line names its own."""


def read_lines(path: Path) -> Iterator[Line]:
    with open_bytes(path) as file:
        for number, written in enumerate(file, start=1):
            if text := written.removeprefix(BOM).strip():
                yield _line(number, text)


def _line(number: int, text: bytes) -> Line:
    try:
        document = parse_json(text)
        if isinstance(document, dict):
            require_whole_names(document)
    except Malformed as error:
        return Line(number, None, str(error).replace("the body", "the line"))
    if not isinstance(document, dict):
        return Line(number, None, "the line is not a JSON object")
    return Line(number, document)
