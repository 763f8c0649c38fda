"""Files that only their owner can read, whatever the umask, and that are there whole or not at all.

A file is written under another name first, made durable, and then given its own: whoever opens it,
also after a crash in between, finds all of it or none.
"""

import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rekindle.disks import writing

FILE_MODE = 0o600
FOLDER_MODE = 0o700
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private_folder(folder: Path) -> Path:
    """Make `folder` with its parents; it alone is closed to others. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    return folder


def open_private(path: str, flags: int) -> int:
    """Open a file for its owner alone, also one that was there: an `opener` for `open`."""
    handle = os.open(path, flags, FILE_MODE)
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_mode & OTHERS and found.st_uid == os.geteuid():
        os.fchmod(handle, stat.S_IMODE(found.st_mode) & ~OTHERS)
    return handle


def make_private_file(file: Path) -> None:
    """Make an empty `file` unless it is there; where that fails, whoever opens it will say so."""
    with suppress(OSError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE))


def write_whole(file: Path, content: bytes) -> None:
    """Write `file` in place of what it was. Raises OSError, and then leaves it as it was."""
    unfinished = _write_beside(file, content)
    try:
        unfinished.replace(file)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    make_durable(file.parent)


def write_new(file: Path, content: bytes) -> bool:
    """Write `file` unless it is there; False if it is. Of many at once one gets True.

    Raises OSError, also where the file system knows no hard links.
    """
    unfinished = _write_beside(file, content)
    try:
        os.link(unfinished, file)
    except FileExistsError:
        return False
    finally:
        unfinished.unlink(missing_ok=True)
    make_durable(file.parent)
    return True


def write_result(file: Path, content: str) -> None:
    """Write what a command was asked for: whole, or the file stays as it was. What is no file, as a
    pipe or a device, is written as it comes. Raises CannotWrite, WrongUse.
    """
    with writing(file):
        is_special = file.is_absolute() and file.parts[1] in ("dev", "proc")
        if is_special or (file.exists() and not file.is_file()):
            with open(file, "w", encoding="utf-8", newline="", opener=open_private) as opened:
                opened.write(content)
        else:
            write_whole(file.resolve(), content.encode())


def make_durable(folder: Path) -> None:
    """Have the names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_open_to_others(path: Path) -> bool:
    """Whether the group or anybody else has any right to it; False where it is not there."""
    try:
        return bool(path.stat().st_mode & OTHERS)
    except FileNotFoundError:
        return False


def tighten(paths: Iterable[Path]) -> None:
    """Take from all but the owner what rights they have to these; what is another's stays, and what
    a symbolic link leads to, which we may not have made.
    """
    for path in paths:
        if not path.is_symlink() and is_open_to_others(path) and path.stat().st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~OTHERS)


def _write_beside(file: Path, content: bytes) -> Path:
    unfinished = file.with_name(f"{file.name}.{secrets.token_hex(8)}.part")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    return unfinished
