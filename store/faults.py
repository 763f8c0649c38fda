"""What an error of the database means: the statement, the database, or the disk below it."""

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError

TOO_MANY_VALUES = "number of parameters must be between"  # psycopg 3.3, read 2026-11

TOO_MANY_CONNECTIONS = "53300"


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
    # insufficient resources, errors of the system, and a transaction that may only read, as on a
    # standby: PostgreSQL 15, appendix A, read 2026-11
    state = str(getattr(error.orig, "sqlstate", ""))
    return (state[:2] in ("53", "58") and state != TOO_MANY_CONNECTIONS) or state == "25006"


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
