"""Which processes of ours work with a SQLite file: each holds a file of its own beside it, locked.

The kernel lets go of the lock with the process, however it ends, and the file says in words which
process that is. A copy of the database, as from a backup, has none of them.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rekindle import __version__
from rekindle.clock import wall_now
from store.leases import find_lease
from store.session import Store

ENDING = ".running"


class Presence:
    """This process's file, from now until it is closed. Nothing where the database is a server."""

    def __init__(self, store: Store, command: str) -> None:
        self._file: Path | None = None
        if (database := _file_of(store)) is None:
            return
        own = f"{database.name}.{os.getpid()}"
        unlocked = database.with_name(f"{own}.starting")
        self._handle = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        os.write(self._handle, f"{command} {__version__} (process {os.getpid()})".encode())
        self._file = unlocked.rename(database.with_name(f"{own}{ENDING}"))

    def close(self) -> None:
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            os.close(self._handle)
            self._file = None


def find_running(store: Store) -> list[str]:
    """Which processes work with this SQLite file, in words; files that others left are removed."""
    database = _file_of(store)
    if database is None:
        return []
    found = []
    for file in sorted(database.parent.glob(f"{database.name}.*{ENDING}")):
        with _opened(file) as handle:
            if handle is None:
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(file.read_text())
            else:
                file.unlink(missing_ok=True)
    return found or _find_scheduler(store)


def _find_scheduler(store: Store) -> list[str]:
    """Early versions had no such files, but whoever sweeps holds a lease for some seconds ahead.

    May go once nobody upgrades from 0.1.0.
    """
    with store.read() as connection:
        held = find_lease(connection, "scheduler")
    return ["rekindle up"] if held and held[1] > wall_now() else []


@contextmanager
def _opened(file: Path) -> Iterator[int | None]:
    """None if it is gone by now."""
    try:
        handle = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _file_of(store: Store) -> Path | None:
    name = store.url.database if store.is_sqlite else None
    return Path(name).resolve() if name and name != ":memory:" else None
