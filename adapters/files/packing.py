"""Opens what is packed: gzip, zstd, zip archives and standard input, each as bytes."""

import gzip
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, cast

from rekindle.disks import writing
from rekindle.errors import Malformed, WrongUse

STANDARD_INPUT = Path("-")
PACKINGS = (".gz", ".zst", ".zip")  # endings that say how a file is packed, not what it holds
GZIP_MAGIC, ZSTD_MAGIC, ZIP_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
# what a zip archive holds when it is a spreadsheet: Office Open XML, OpenDocument
WORKBOOK_PARTS = ("xl/workbook.xml", "xl/workbook.bin", "content.xml")
BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class Source:
    """One table to read: a file, or a member of a zip archive."""

    path: Path
    member: str = ""
    name: str = ""  # as its user knows it; empty: the path

    @property
    def shown(self) -> str:
        return self.name or (f"{self.path}/{self.member}" if self.member else str(self.path))

    @property
    def suffix(self) -> str:
        """The ending that says what it holds, in small letters."""
        inner = Path(self.member) if self.member else self.path
        while inner.suffix.lower() in PACKINGS:
            inner = inner.with_suffix("")
        return inner.suffix.lower()

    @property
    def rejects(self) -> Path:
        """Where the rows that were not taken are written, each with its reason."""
        if self.name:  # of standard input, which lies nowhere
            return Path(f"{self.name}.rejects.jsonl")
        member = f".{Path(self.member).name}" if self.member else ""
        return self.path.with_name(f"{self.path.name}{member}.rejects.jsonl")

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """What it holds, unpacked. Raises WrongUse if it cannot be opened."""
        try:
            with self.path.open("rb") as raw:
                yield _unpacked(raw, self.member)
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise WrongUse(f"{self.shown} cannot be read: {error.strerror}.") from error

    def head(self, size: int) -> bytes:
        """The first bytes of what it holds. Raises WrongUse, Malformed."""
        with self.open() as file:
            try:
                return file.read(size)
            except BROKEN as error:
                raise broken(self, error) from error


def sources_in(path: Path) -> list[Source]:
    """What a file holds: itself, or each file of a zip archive. Raises WrongUse, Malformed."""
    if _magic(path) != ZIP_MAGIC:
        return [Source(path)]
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    except BROKEN as error:
        raise broken(Source(path), error) from error
    if any(name in WORKBOOK_PARTS for name in names):
        return [Source(path)]
    members = [name for name in names if not _is_beside_the_point(name)]
    if not members:
        raise Malformed(f"{path} is a zip archive without a file in it.")
    return [Source(path, member) for member in members]


@contextmanager
def standard_input() -> Iterator[Source]:
    """All of standard input, kept in a file for as long as it is read: it is looked at first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stdin"
        with writing(path), path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield Source(path, name="stdin")


def broken(source: Source, error: Exception) -> Malformed:
    return Malformed(f"{source.shown} cannot be unpacked: {error}.")


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise WrongUse(f"{path} cannot be read: {error.strerror}.") from error


def _is_beside_the_point(name: str) -> bool:
    """What operating systems put into archives by themselves."""
    return name.startswith("__MACOSX/") or Path(name).name.startswith(".")


def _unpacked(raw: IO[bytes], member: str) -> IO[bytes]:
    if member:
        raw = zipfile.ZipFile(raw).open(member)  # noqa: SIM115  # closed with the file below it
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(GZIP_MAGIC):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    return _open_zstd(raw) if magic == ZSTD_MAGIC else raw


def _open_zstd(raw: IO[bytes]) -> IO[bytes]:
    try:
        arrow = import_module("pyarrow")
    except ImportError as error:
        raise WrongUse("reading zstd needs: pip install 'rekindle[files]'") from error
    return cast(IO[bytes], arrow.CompressedInputStream(raw, "zstd"))
