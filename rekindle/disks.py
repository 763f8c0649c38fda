"""Room on the disks that are written to, and in plain words why a file cannot be written."""

import errno
import os
import pwd
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rekindle.errors import CannotWrite, RekindleError, WrongUse

# told while there is still room for a restart, a checkpoint and a look at what takes the rest
LEAST_BYTES = 256 * 1024**2
LEAST_FILES = 1_000  # one email of the outbox is one file
LEAST_SHARE = 0.05  # of a small disk, which would else never have enough
MEGABYTE = 1_000_000
PROBE_BYTES = 64 * 1024

MISNAMED = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}
)
REASONS: Mapping[int, str] = {
    errno.ENOSPC: "no room is left on its disk. Free some of it.",
    errno.EDQUOT: "this user's share of its disk is used up. Free some of it.",
    errno.EFBIG: "it would be larger than a file may be. Raise that limit ('ulimit -f').",
    errno.EROFS: "its file system is read-only. Mount it to be written, or name another place"
    " (under systemd: ReadWritePaths=).",
    errno.EIO: "its disk fails. See what the system's log says of it.",
}


@dataclass(frozen=True)
class Room:
    """What is free on the disk of `folder`; `files` is None where they are not counted."""

    folder: Path
    device: int
    free_bytes: int
    all_bytes: int
    free_files: int | None
    all_files: int

    @property
    def is_tight(self) -> bool:
        least = min(LEAST_BYTES, self.all_bytes * LEAST_SHARE)
        return self.free_bytes < least or self._lacks_files

    @property
    def _lacks_files(self) -> bool:
        least = min(LEAST_FILES, self.all_files * LEAST_SHARE)
        return self.free_files is not None and self.free_files < least

    def in_words(self) -> str:
        megabytes = self.free_bytes / MEGABYTE
        left = f"{megabytes:,.0f} MB" if megabytes >= 10 else f"{megabytes:.1f} MB"
        files = f" and {self.free_files} files" if self._lacks_files else ""
        return f"the disk of {self.folder} has room for {left}{files} and no more."


def measure_room(folder: Path) -> Room | None:
    """Return what is free where `folder` is, or would be; None where nobody can tell."""
    try:
        place = next(path for path in (folder, *folder.parents) if path.exists())
        found, device = os.statvfs(place), place.stat().st_dev
    except (OSError, StopIteration):
        return None
    # what others than the superuser may use: some of a disk is often kept back for that one
    free, size = found.f_bavail, found.f_frsize
    free_files = found.f_favail if found.f_files else None
    return Room(folder, device, free * size, found.f_blocks * size, free_files, found.f_files)


def find_tight(folders: Iterable[Path]) -> list[Room]:
    """Return the disks of these that are nearly full, each once."""
    rooms = (measure_room(folder.resolve()) for folder in folders)
    return list({room.device: room for room in rooms if room and room.is_tight}.values())


@contextmanager
def writing(file: Path | str) -> Iterator[None]:
    """Say of a failure within that `file` cannot be written: the system often names none, or the
    one that was read. Raises CannotWrite; WrongUse where nothing could ever be written there.
    """
    try:
        yield
    except OSError as error:
        raise refusal_of(file, error) from error


def refusal_of(file: Path | str, error: OSError, what: str = "cannot be written") -> RekindleError:
    """Return what says that `file` cannot be written, why, and what to do."""
    kind = WrongUse if error.errno in MISNAMED else CannotWrite
    return kind(f"{file} {what}: {explain(error)}")


def explain(error: OSError) -> str:
    """Why something cannot be written, and what to do."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"the user {user_name()} may not. {whom_to_ask(error.filename)}"
    return REASONS.get(error.errno or 0) or f"{error.strerror or error}."


def whom_to_ask(file: str | bytes | int | None) -> str:
    """How a user gets at a file, or a folder, of another."""
    if not isinstance(file, str):
        return "Run it as the user whose it is."
    place = next(path for path in (Path(file), *Path(file).parents) if os.path.lexists(path))
    owner = place.lstat().st_uid
    if owner == os.geteuid():
        return f"'chmod u+rwX {place}' lets it."
    return f"{place} is {user_name(owner)}'s: run it as that user, or have it given to this one."


def user_name(uid: int | None = None) -> str:
    """Return the name of a user, or the number of one that has none."""
    number = os.geteuid() if uid is None else uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def why_unwritable(file: Path) -> str:
    """Why `file` cannot be written, as far as one can see without trying; what to do."""
    folder = file.parent
    if file.is_dir():
        return f"{file} is a folder: name a file in it."
    if not folder.exists():
        return f"There is no folder {folder}."
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"The file system of {folder} is read-only. Mount it to be written."
    for path in (folder, file):  # SQLite makes files beside its own
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            return f"The user {user_name()} may not write {path}. {whom_to_ask(str(path))}"
    room = measure_room(folder)
    if room is not None and room.is_tight:
        return f"{room.in_words()[:1].upper()}{room.in_words()[1:]} Free some of it."
    return f"See what the system's log says of the disk of {folder}, and if there is a quota."


def try_writing(folder: Path) -> str | None:
    """Why nothing can be written into `folder`, or None: it is tried, since a quota, a file system
    that is read-only and rights are seen by no other way.
    """
    file = folder / f".rekindle-{os.getpid()}.part"
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, os.urandom(PROBE_BYTES))
            os.fsync(handle)
        finally:
            os.close(handle)
            file.unlink()
    except OSError as error:
        return f"{folder} cannot be written: {explain(error)}"
    return None
