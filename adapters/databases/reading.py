"""Reads the rows of a query that are new: by a connection that can write nothing, streamed, each
statement with an end.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    DateTime,
    Engine,
    Select,
    bindparam,
    column,
    create_engine,
    event,
    literal_column,
    select,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from adapters.databases.definition import Query, SqlSource
from adapters.files.base import Line
from adapters.files.parquet import plain_value
from rekindle.clock import seconds_running
from rekindle.errors import SourceUnavailable, WrongUse

A_FETCH = 1_000  # rows
SAMPLE = 1_000
CONNECT_SECONDS = 10
STEPS_A_LOOK = 10_000  # of SQLite's machine, between two looks at the clock
EXTRAS = {
    "postgresql": "pip install 'rekindle[postgres]'",
    "duckdb": "pip install duckdb-engine",
}


@dataclass(frozen=True)
class Found:
    """One row with the value of its cursor."""

    line: Line
    cursor: Any


@dataclass
class Deadline:
    """When the database must have given the next row."""

    seconds: float
    at: float = float("inf")

    def renew(self) -> None:
        self.at = seconds_running() + self.seconds

    def is_over(self) -> bool:
        return seconds_running() > self.at


@dataclass(frozen=True)
class Database:
    """A database of somebody else's, opened for reading."""

    engine: Engine
    name: str  # of the source: its address may hold a password
    deadline: Deadline

    def columns(self, query: Query) -> tuple[str, ...]:
        """Return the names of what the query gives. Raises SourceUnavailable."""
        with self._talking(), self.engine.connect() as connection:
            return tuple(connection.execute(_wrapped(query).limit(0)).keys())

    def sample(self, query: Query, limit_rows: int = SAMPLE) -> list[Found]:
        """Return some of its rows, whichever come first. Raises SourceUnavailable."""
        with self._talking(), self.engine.connect() as connection:
            rows = connection.execute(_wrapped(query).limit(limit_rows))
            return list(_found(query, rows.mappings()))

    def read(self, query: Query, begin: Any = None) -> Iterator[Found]:
        """Give the rows whose cursor is at `begin` or beyond, in its order; all without one.

        Raises SourceUnavailable.
        """
        by = _cursor(query)
        statement = _wrapped(query).where(by.is_not(None)).order_by(by)
        values = {}
        if begin is not None:
            is_aware = isinstance(begin, datetime) and begin.tzinfo is not None
            type_ = DateTime(timezone=True) if is_aware else None
            statement = statement.where(by >= bindparam("begin_", type_=type_, value=begin))
            values["begin_"] = begin
        with self._talking(), self.engine.connect() as connection:
            streamed = connection.execution_options(yield_per=A_FETCH)
            rows = streamed.execute(statement, values)
            for found in _found(query, rows.mappings()):
                yield found
                self.deadline.renew()  # what is done with a row takes no time of the database's

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or error).strip().splitlines()
            raise SourceUnavailable(
                f"the database of the source {self.name} refuses: "
                f"{said[0] if said else type(error).__name__}"
            ) from error


@contextmanager
def open_database(source: SqlSource, environment: Mapping[str, str]) -> Iterator[Database]:
    """Open the database of a source. Raises SourceUnavailable where its URL is not set or leads
    nowhere, without words of the URL.
    """
    deadline = Deadline(source.timeout.total_seconds())
    engine = _engine(source, environment.get(source.variable, ""), deadline)
    try:
        yield Database(engine, source.source, deadline)
    finally:
        engine.dispose()


def _engine(source: SqlSource, written: str, deadline: Deadline) -> Engine:
    if not written:
        raise SourceUnavailable(f"{source.variable} is not set, which the source needs.")
    try:
        url = make_url(written)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        return _prepared(url, source.timeout, deadline)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        backend = make_url(written).get_backend_name()
        hint = EXTRAS.get(backend, "pip install its SQLAlchemy dialect")
        raise SourceUnavailable(f"reading {backend} needs: {hint}") from error
    except ArgumentError as error:
        raise SourceUnavailable(
            f"{source.variable} is no URL such as postgresql://reader:word@host/shop."
        ) from error


def _prepared(url: URL, timeout: timedelta, deadline: Deadline) -> Engine:
    """An engine whose connections can write nothing, where the database has a way to say so."""
    match url.get_backend_name():
        case "sqlite":
            return _sqlite(url, deadline)
        case "postgresql":
            limits = f"-c statement_timeout={timeout // timedelta(milliseconds=1)}"
            options = f"-c default_transaction_read_only=on {limits}"
            arguments: dict[str, Any] = {"options": options, "connect_timeout": CONNECT_SECONDS}
        case "duckdb":
            arguments = {"read_only": True}
        case _:
            arguments = {}
    return create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)


def _sqlite(url: URL, deadline: Deadline) -> Engine:
    path = quote(url.database or "")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=CONNECT_SECONDS,
                               check_same_thread=False)  # fmt: skip

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "before_cursor_execute")
    def limit(connection: Any, *_seen: Any) -> None:
        deadline.renew()
        raw = connection.connection.dbapi_connection
        raw.set_progress_handler(deadline.is_over, STEPS_A_LOOK)

    return engine


def _cursor(query: Query) -> Any:
    return column(query.cursor)


def _wrapped(query: Query) -> Select[Any]:
    """SELECT * FROM (the query) AS rows_of_source; a colon in it stands for itself."""
    written = text("(" + query.query.replace(":", "\\:") + "\n) AS rows_of_source")
    return select(literal_column("*")).select_from(written)


def _found(query: Query, rows: Any) -> Iterator[Found]:
    numbers = count(1)
    for row in rows:
        if query.cursor not in row:
            raise WrongUse(f"the query gives no column {query.cursor!r}, its cursor.")
        filled = {name: _value(value) for name, value in row.items()}
        line = {name: value for name, value in filled.items() if value not in (None, "")}
        yield Found(Line(next(numbers), line), row[query.cursor])


def _value(value: Any) -> Any:
    """As a file would have it: an instant without a zone is read in that of the mapping."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.isoformat(sep=" ")
    return plain_value(value)
