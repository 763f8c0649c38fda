"""Writes and reads many rows past SQLAlchemy's work for each: for what every step waits for.

Values are what the database itself takes and gives: instants are microseconds, and nothing has a
default.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Connection, Dialect, Executable

from store.tables import write_json

Row = tuple[Any, ...]
Columns = tuple[Column[Any], ...]


def fetch_rows(
    connection: Connection, query: Executable, values: dict[str, Any]
) -> Sequence[Sequence[Any]]:
    """The rows as the driver gives them: no instant is a datetime, on SQLite no boolean a bool."""
    result = connection.execute(query, values)
    assert result.cursor is not None  # a query has rows
    rows: Sequence[Sequence[Any]] = result.cursor.fetchall()
    result.close()
    return rows


def insert_rows(tx: Connection, columns: Columns, rows: Sequence[Row]) -> None:
    """Add rows to the table of `columns`, whose values each of them has in their order."""
    if rows:
        _write(tx, _insertion(columns, tx.dialect), columns, rows)


def insert_new_rows(
    tx: Connection, columns: Columns, rows: Sequence[Row], key: Column[Any]
) -> dict[Any, int]:
    """Add the rows whose `key`, one of `columns`, nobody has yet; return the id of each by its key.

    Ids are given in the order of `rows`. `tx` writes: on SQLite nobody else does meanwhile.
    """
    if not rows:
        return {}
    at, sql = columns.index(key), _new_insertion(columns, key, tx.dialect)
    if tx.dialect.name != "sqlite":
        found = tx.exec_driver_sql(sql, tuple(map(write_array, zip(*rows, strict=True))))
        return {row[0]: row[1] for row in found}
    table = key.table.name
    last = tx.exec_driver_sql(f"SELECT coalesce(max(id), 0) FROM {table}").scalar_one()
    numbered = [(number, *row) for number, row in enumerate(rows, last + 1)]
    if tx.exec_driver_sql(sql, numbered).rowcount == len(rows):
        return {row[at]: number for number, row in enumerate(rows, last + 1)}
    added = tx.exec_driver_sql(f"SELECT {key.name}, id FROM {table} WHERE id > ?", (last,))
    return {row[0]: row[1] for row in added}


def find_rows(
    connection: Connection, key: Column[Any], wanted: Collection[str], columns: Columns
) -> Sequence[Sequence[Any]]:
    """Return `columns`, as the driver gives them, of the rows whose text `key` is `wanted`."""
    if not wanted:
        return []
    names = ", ".join(column.name for column in columns)
    sql = f"SELECT {names} FROM {key.table.name} WHERE {key.name}"
    if connection.dialect.name == "sqlite":
        listed, sql = write_json(list(wanted)), f"{sql} IN (SELECT value FROM json_each(?))"
    else:
        listed, sql = write_array(list(wanted)), f"{sql} = ANY(%s::text[])"
    result = connection.exec_driver_sql(sql, (listed,))
    assert result.cursor is not None  # a query has rows
    rows: Sequence[Sequence[Any]] = result.cursor.fetchall()
    result.close()
    return rows


def change_rows(
    tx: Connection, columns: Columns, rows: Sequence[Row], cleared: Columns = ()
) -> None:
    """Change the rows whose last column is as said here; each has the values of `columns`, and NULL
    in those that are `cleared`.
    """
    if rows:
        _write(tx, _change(columns, cleared, tx.dialect), columns, rows)


def _write(tx: Connection, sql: str, columns: Columns, rows: Sequence[Row]) -> None:
    """PostgreSQL takes a set as one array for each column, SQLite row by row."""
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql(sql, list(rows))
    else:
        tx.exec_driver_sql(sql, tuple(map(write_array, zip(*rows, strict=True))))


@lru_cache(maxsize=100)
def _insertion(columns: Columns, dialect: Dialect) -> str:
    table, names = columns[0].table.name, ", ".join(column.name for column in columns)
    if dialect.name == "sqlite":
        return f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' for _ in columns)})"
    return f"INSERT INTO {table} ({names}) SELECT * FROM {_arrays(columns, dialect)}"


@lru_cache(maxsize=100)
def _new_insertion(columns: Columns, key: Column[Any], dialect: Dialect) -> str:
    sql = _insertion(columns, dialect)
    if dialect.name == "sqlite":
        sql = sql.replace("(", "(id, ", 1).replace("(?", "(?, ?", 1)
        return f"{sql} ON CONFLICT DO NOTHING"
    return f"{sql} ON CONFLICT DO NOTHING RETURNING {key.name}, id"


@lru_cache(maxsize=100)
def _change(columns: Columns, cleared: Columns, dialect: Dialect) -> str:
    *changed, key = columns
    table = key.table.name
    nothing = [f"{column.name} = NULL" for column in cleared]
    if dialect.name == "sqlite":
        values = ", ".join([*(f"{column.name} = ?" for column in changed), *nothing])
        return f"UPDATE {table} SET {values} WHERE {key.name} = ?"
    values = ", ".join([*(f"{column.name} = new.{column.name}" for column in changed), *nothing])
    names = ", ".join(column.name for column in columns)
    return (
        f"UPDATE {table} SET {values} FROM {_arrays(columns, dialect)} AS new ({names})"
        f" WHERE {table}.{key.name} = new.{key.name}"
    )


def _arrays(columns: Columns, dialect: Dialect) -> str:
    types = (column.type.compile(dialect) for column in columns)
    return f"unnest({', '.join(f'%s::{one}[]' for one in types)})"


def write_array(values: Sequence[Any]) -> str:
    """Texts and numbers as PostgreSQL reads an array; the driver takes ten times as long."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case _:
            return str(value)
