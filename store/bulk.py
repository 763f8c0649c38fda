"""Writes many rows by one statement without SQLAlchemy's work for each: for the few statements that
every step and every mail waits for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Update

Statement = Insert | Update | Delete
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Bind:
    """One placeholder of a statement: what a row says, or always the same."""

    name: str
    is_fixed: bool
    value: Any  # as the driver takes it, where it is fixed
    convert: Callable[[Any], Any] | None  # what SQLAlchemy itself would do to a row's value

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


def write_many(tx: Connection, statement: Statement, rows: Sequence[Row]) -> None:
    """Run `statement` for each of `rows`, which all have the same keys.

    Defaults of columns are not filled in: what has one must be in the rows.
    """
    if not rows:
        return
    prepared = _prepared(statement, tx.dialect, tuple(rows[0]))
    lines = list(zip(*(bind.column(rows) for bind in prepared.binds), strict=True))
    if prepared.is_positional:
        tx.exec_driver_sql(prepared.sql, lines)
    else:
        names = [bind.name for bind in prepared.binds]
        tx.exec_driver_sql(prepared.sql, [dict(zip(names, line, strict=True)) for line in lines])


@lru_cache(maxsize=200)
def _prepared(statement: Statement, dialect: Dialect, keys: tuple[str, ...]) -> Prepared:
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(keys))
    names = compiled.positiontup or compiled.binds
    binds = tuple(_bind(name, compiled, keys) for name in names)
    return Prepared(compiled.string, binds, compiled.positional)


def _bind(name: str, compiled: Any, keys: tuple[str, ...]) -> Bind:
    convert = compiled._bind_processors.get(name)
    if name in keys:
        return Bind(name, is_fixed=False, value=None, convert=convert)
    value = compiled.binds[name].value
    return Bind(name, is_fixed=True, value=convert(value) if convert else value, convert=None)
