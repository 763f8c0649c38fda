"""What every file format is: one module in this folder that reads lines as rows, told by suffix."""

import gzip
import hashlib
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

import adapters.files
from rekindle.errors import Malformed, WrongUse

CHUNK_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"


class Line(NamedTuple):
    """One row of a file, or why it cannot be read as one."""

    number: int  # of its last line in the file, from 1
    row: Mapping[str, Any] | None
    problem: str = ""


class Format(Protocol):
    """What a module in this folder offers."""

    SUFFIXES: tuple[str, ...]

    def parse_value(self, value: Any) -> Any:
        """A property or trait with its type; ids and names of events stay as they are written."""

    def read_columns(self, path: Path) -> tuple[str, ...] | None:
        """The names in the header; None where every row has its own. Raises Malformed."""

    def read_lines(self, path: Path) -> Iterator[Line]:
        """Every row in order; blank lines are passed over."""


@dataclass(frozen=True)
class Scan:
    """What is known of a file before any of it is used."""

    digest: str  # SHA-256 of what it holds, unpacked
    lines: int


def find_format(path: Path) -> Format:
    """The format of this file by its suffix, `.gz` aside. Raises WrongUse."""
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    names = (module.name for module in pkgutil.iter_modules(adapters.files.__path__))
    known: list[str] = []
    for name in sorted(names):
        module = import_module(f"adapters.files.{name}")
        known += getattr(module, "SUFFIXES", ())
        if suffix.lower() in getattr(module, "SUFFIXES", ()):
            return cast(Format, module)
    raise WrongUse(f"{path} is none of {', '.join(known)}, plain or with .gz.")


def scan_file(path: Path) -> Scan:
    """Read all of it once, so that a broken file is refused before any row is used.

    Raises WrongUse if it is not there, Malformed if it cannot be unpacked.
    """
    digest, lines = hashlib.sha256(), 0
    with open_bytes(path) as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                lines += chunk.count(b"\n")
        except (OSError, EOFError) as error:
            raise Malformed(f"{path} cannot be unpacked: {error}.") from error
    return Scan(digest.hexdigest(), lines)


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """What the file holds, unpacked if it is gzip. Raises WrongUse if it cannot be opened."""
    try:
        with path.open("rb") as raw:
            is_packed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if is_packed else raw
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise WrongUse(f"{path} cannot be read: {error.strerror}.") from error


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """As `open_bytes`, decoded; the byte order mark some programs write is left out.

    Bytes that are not UTF-8 become lone surrogates, so that they spoil their own row only.
    """
    with open_bytes(path) as file:
        yield TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def is_utf8(text: str) -> bool:
    """Whether all bytes of what `open_text` read were UTF-8."""
    return text.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in text)
