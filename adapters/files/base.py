"""What every file format is: a module in this folder that reads a file as rows.

A format is told by what the file holds where that is certain, else by its suffix.
"""

import hashlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from typing import IO, Any, NamedTuple, Protocol, cast

import adapters.files
from adapters.files.encodings import UTF8, Encodings, errors_of
from adapters.files.packing import BROKEN, PACKINGS, Source, broken
from rekindle.errors import WrongUse

CHUNK_BYTES = 1 << 20
HEAD_BYTES = 1 << 16


class Line(NamedTuple):
    """One row of a file, or why it cannot be read as one."""

    number: int  # of its last line in the file, from 1; of a broken row, where it begins
    row: Mapping[str, Any] | None
    problem: str = ""
    text: str = ""  # of a row that is none


@dataclass(frozen=True)
class Options:
    """What was said of how a file is written; what is empty is found out."""

    encoding: str = ""
    separator: str = ""
    quote: str | None = None
    escape: str = ""
    sheet: str = ""


@dataclass(frozen=True)
class Scan:
    """What is known of a file before any of it is used."""

    digest: str  # SHA-256 of what it holds, unpacked
    lines: int
    encoding: str = UTF8


@dataclass(frozen=True)
class Table:
    """A file that can be read as rows, from its beginning as often as wanted."""

    read: Callable[[], Iterator[Line]]
    columns: tuple[str, ...] | None = None  # None where every row has its own
    is_text: bool = False  # all cells are texts: their types are those of their columns
    notes: tuple[str, ...] = ()  # how it was read, where that is not what everybody expects


class Format(Protocol):
    """What a module in this folder offers."""

    SUFFIXES: tuple[str, ...]

    def is_format(self, head: bytes) -> bool:
        """Whether a file that begins so is certainly of this format."""

    def open_table(self, source: Source, scan: Scan, options: Options) -> Table:
        """Raises Malformed, WrongUse for a file that cannot be read at all."""


def find_format(source: Source) -> Format:
    """The format of a file. Raises WrongUse."""
    formats = list(_formats())
    head = source.head(HEAD_BYTES)
    certain = next((format_ for format_ in formats if format_.is_format(head)), None)
    by_suffix = next((format_ for format_ in formats if source.suffix in format_.SUFFIXES), None)
    if certain or by_suffix:
        return cast(Format, certain or by_suffix)
    if not source.suffix:
        return cast(Format, import_module("adapters.files.csv"))
    known = ", ".join(suffix for format_ in formats for suffix in format_.SUFFIXES)
    raise WrongUse(f"{source.shown} is none of {known}, plain or with {', '.join(PACKINGS)}.")


def _formats() -> Iterator[Format]:
    for name in sorted(module.name for module in pkgutil.iter_modules(adapters.files.__path__)):
        module = import_module(f"adapters.files.{name}")
        if hasattr(module, "SUFFIXES"):
            yield cast(Format, module)


def scan_file(source: Source, encoding: str = "") -> Scan:
    """Read all of it once, so that a broken file is refused before any row is used.

    Raises WrongUse if it is not there, Malformed if it cannot be unpacked.
    """
    digest, feeds, returns = hashlib.sha256(), 0, 0
    encodings = Encodings(encoding)
    with source.open() as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                feeds += chunk.count(b"\n")
                returns += chunk.count(b"\r")
                encodings.look(chunk)
        except BROKEN as error:
            raise broken(source, error) from error
    return Scan(digest.hexdigest(), max(feeds, returns), encodings.found)


@contextmanager
def open_text(source: Source, encoding: str) -> Iterator[IO[str]]:
    """What it holds as text, without its byte order mark; every kind of line ending is kept."""
    with source.open() as file:
        errors = errors_of(encoding)
        yield TextIOWrapper(file, encoding=encoding, errors=errors, newline="")
