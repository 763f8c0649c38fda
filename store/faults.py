"""What an error of the database means: the statement, the database, or the disk below it."""

import sqlite3
from pathlib import Path

from sqlalchemy.exc import DataError, DBAPIError

from rekindle.disks import why_unwritable
from rekindle.errors import StoreUnavailable, StoreUnwritable

NAME_ANOTHER = "See that it runs, and that --database or REKINDLE_DATABASE_URL names the right one."
BUSY_TIMEOUT_MS = 10_000
TOO_MANY_VALUES = "number of parameters must be between"  # psycopg 3.3, read 2026-11

TOO_MANY_CONNECTIONS = "53300"
READ_ONLY_TRANSACTION = "25006"


def is_refused(error: DBAPIError) -> bool:
    """Whether the database understood one statement and refused it, rather than being away."""
    if isinstance(error.orig, sqlite3.Error):
        return error.orig.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG)
    # refused by the driver, before the database saw it
    if isinstance(error, DataError) or TOO_MANY_VALUES in str(error.orig):
        return True
    # data, syntax, limits and what is not supported: PostgreSQL 15, appendix A, read 2026-11
    return str(getattr(error.orig, "sqlstate", ""))[:2] in ("22", "42", "54", "0A")


def cannot_write(error: DBAPIError) -> bool:
    """Whether a disk is full, over its quota, failing, or to be read alone."""
    if isinstance(error.orig, sqlite3.Error):
        return sqlite_code(error) in (
            sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM
        )  # fmt: skip
    # insufficient resources and errors of the system: PostgreSQL 15, appendix A, read 2026-11
    state = str(getattr(error.orig, "sqlstate", ""))
    is_out_of_room = state[:2] in ("53", "58") and state != TOO_MANY_CONNECTIONS
    return is_out_of_room or is_read_only(error)


def is_read_only(error: DBAPIError) -> bool:
    """Whether a server takes no writes in this transaction, as a standby."""
    return getattr(error.orig, "sqlstate", "") == READ_ONLY_TRANSACTION


def is_busy(error: DBAPIError) -> bool:
    return sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def sqlite_code(error: DBAPIError) -> int | None:
    """Return SQLite's primary result code; None where it was not SQLite, or its driver alone."""
    found: int | None = getattr(error.orig, "sqlite_errorcode", None)
    return None if found is None else found & 0xFF


def is_unreachable(error: DBAPIError) -> bool:
    text = str(error.orig).lower()
    signs = (
        "unable to open",
        "connection",
        "resolve",
        "authentication",
        "timeout",
        "no such table",
        "does not exist",
        "not a database",
        "malformed",
    )
    return error.connection_invalidated or any(sign in text for sign in signs)


def first_line(error: DBAPIError) -> str:
    text = str(error.orig).strip()
    return text.splitlines()[0] if text else type(error.orig).__name__


def first_failure(error: BaseException) -> BaseException:
    """Return what the database said first: taking back what is gone already fails once more."""
    first = later = error
    while later.__context__ is not None:
        later = later.__context__
        first = later if isinstance(later, DBAPIError) else first
    return first


def refusal_of(error: DBAPIError, file: Path | None) -> StoreUnavailable | None:
    """Return what is wrong with the database and what to do; None where it is the statement.
    `file` is that of SQLite.
    """
    said = first_line(error).rstrip(".")
    name = f"the database {file}" if file else "the database"
    if cannot_write(error):
        why = why_unwritable(file) if file else _on_server(error)
        return StoreUnwritable(f"{name} cannot be written: {said}. {why}")
    if is_busy(error):
        seconds = BUSY_TIMEOUT_MS // 1000
        return StoreUnavailable(
            f"{name} is busy: another process has been writing for {seconds} seconds. Try again."
        )
    if not is_unreachable(error):
        return None
    is_closed = sqlite_code(error) == sqlite3.SQLITE_CANTOPEN
    why = why_unwritable(file) if file and is_closed else NAME_ANOTHER
    return StoreUnavailable(f"{name} does not answer: {said}. {why}")


def _on_server(error: DBAPIError) -> str:
    if is_read_only(error):
        return "It may only be read, as a standby: name the server that takes writes."
    return "Free some room on the disk of the database server; what was acknowledged is not lost."
