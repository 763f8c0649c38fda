"""Reads mails from what they are kept in: a file of one, an mbox of many, a Maildir or a folder."""

import mailbox
import sys
from collections.abc import Iterator
from pathlib import Path

from rekindle.errors import Malformed, NotFound

STDIN = Path("-")
LARGEST_MAIL = 30 * 1024 * 1024  # bytes, as for mail that is posted
MBOX = b"From "  # a file of many begins with the line that stands before each


def read_mails(path: Path) -> Iterator[tuple[str, bytes | Malformed]]:
    """Each mail under its name, or why it cannot be read. Raises NotFound for `path` itself."""
    if path.is_dir():
        is_maildir = (path / "new").is_dir() or (path / "cur").is_dir()
        folders = [path / "new", path / "cur"] if is_maildir else [path]
        files = [file for folder in folders if folder.is_dir() for file in folder.iterdir()]
        for file in sorted(files, key=lambda file: file.name):  # in a Maildir as they came
            if file.is_file() and not file.name.startswith("."):
                yield file.name, _read(file)
    elif path == STDIN or (path.exists() and not path.is_file()):  # a pipe is read but once
        yield path.name, _bounded(_read_stream(path))
    elif _starts_like_mbox(path):
        yield from _read_mbox(path)
    else:
        yield path.name, _read(path)


def _starts_like_mbox(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MBOX)) == MBOX
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.") from error


def _read_stream(path: Path) -> bytes:
    if path == STDIN:
        return sys.stdin.buffer.read(LARGEST_MAIL + 1)
    with path.open("rb") as stream:
        return stream.read(LARGEST_MAIL + 1)


def _read(path: Path) -> bytes | Malformed:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_MAIL + 1)
    except OSError as error:
        return Malformed(f"it cannot be read: {error.strerror}.")
    return _bounded(raw)


def _read_mbox(path: Path) -> Iterator[tuple[str, bytes | Malformed]]:
    kept = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(kept.iterkeys(), start=1):
            yield f"{path.name} {number}", _bounded(kept.get_bytes(key))
    finally:
        kept.close()


def _bounded(raw: bytes) -> bytes | Malformed:
    return raw if len(raw) <= LARGEST_MAIL else Malformed("it is larger than 30 MB.")
