"""Runs the few statements that every step, every mail and every segment waits for.

A statement is put into the database's words once. SQLAlchemy would look all through it at each
execution to recognize it, which for a rule takes longer than the database needs to answer it, and
would do its own work for each row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, CursorResult, Delete, Dialect, Insert, Select, Update
from sqlalchemy.sql.dml import ReturningInsert

Query = Select[*tuple[Any, ...]]
Statement = Insert | Update | Delete | Query | ReturningInsert[Any]
Row = Mapping[str, Any]
Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class Bind:
    """One placeholder of a statement: what a row says, or always the same."""

    name: str
    is_fixed: bool
    value: Any  # as the driver takes it, where it is fixed
    convert: Convert | None  # what SQLAlchemy itself would do to a row's value

    def column(self, rows: Sequence[Row]) -> list[Any]:
        if self.is_fixed:
            return [self.value] * len(rows)
        values = [row[self.name] for row in rows]
        return values if self.convert is None else list(map(self.convert, values))


@dataclass(frozen=True)
class Prepared:
    """A statement in the words of one database."""

    sql: str
    binds: tuple[Bind, ...]
    is_positional: bool
    converts: tuple[Convert | None, ...]  # of each column that comes back

    def run(self, connection: Connection, rows: Sequence[Row]) -> CursorResult[Any]:
        lines = list(zip(*(bind.column(rows) for bind in self.binds), strict=True))
        if self.is_positional:
            return connection.exec_driver_sql(self.sql, lines)
        names = [bind.name for bind in self.binds]
        named = [dict(zip(names, line, strict=True)) for line in lines]
        return connection.exec_driver_sql(self.sql, named)

    def columns(self, rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        """What came back as SQLAlchemy would give it, column by column."""
        columns = zip(*rows, strict=True) if rows else ((),) * len(self.converts)
        return [
            column if convert is None else list(map(convert, column))
            for convert, column in zip(self.converts, columns, strict=True)
        ]


def write_many(tx: Connection, statement: Statement, rows: Sequence[Row]) -> None:
    """Run `statement` for each of `rows`, which all have the same keys.

    Defaults of columns are not filled in: what has one must be in the rows.
    """
    if not rows:
        return
    _prepared(statement, tx.dialect, tuple(rows[0])).run(tx, rows)


def read_columns(connection: Connection, statement: Query, values: Row) -> list[Sequence[Any]]:
    """The columns of `statement`, run with `values`; it is one that is made once and kept."""
    prepared = _prepared(statement, connection.dialect, tuple(values))
    result = prepared.run(connection, [values])
    assert result.cursor is not None  # a query has rows
    rows = result.cursor.fetchall()
    result.close()
    return prepared.columns(rows)


def read_rows(
    connection: Connection, statement: Query, values: Row | None = None
) -> list[tuple[Any, ...]]:
    """The same, row by row."""
    return list(zip(*read_columns(connection, statement, values or {}), strict=True))


@lru_cache(maxsize=1_000)  # a rule's takes tenths of a second to put into words
def _prepared(statement: Statement, dialect: Dialect, keys: tuple[str, ...]) -> Prepared:
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(keys))
    expanded = compiled.construct_expanded_state(dict.fromkeys(keys))  # lists written out
    converts = {**compiled._bind_processors, **expanded.processors}
    names = expanded.positiontup or expanded.parameters
    binds = tuple(_bind(name, expanded.parameters[name], converts, keys) for name in names)
    columns = compiled._result_columns if isinstance(statement, Select) else ()
    told = tuple(column.type._cached_result_processor(dialect, None) for column in columns)
    return Prepared(expanded.statement, binds, compiled.positional, told)


def _bind(
    name: str, value: Any, converts: Mapping[str, Convert | None], keys: tuple[str, ...]
) -> Bind:
    convert = converts.get(name)
    if name in keys:
        return Bind(name, is_fixed=False, value=None, convert=convert)
    return Bind(name, is_fixed=True, value=convert(value) if convert else value, convert=None)
