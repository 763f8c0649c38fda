"""Inserts that meet what is already there, said in each database's own words."""

from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert


def insert_or_skip(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert whose rows are skipped where a unique constraint already holds an equal one."""
    return _skipping(connection.dialect.name, table)


def insert_or_skip_returning(
    connection: Connection, table: Table, *columns: Column[Any]
) -> ReturningInsert[Any]:
    """The same, telling of the rows that were written."""
    return _skipping_returning(connection.dialect.name, table, columns)


@cache  # statements that are made once cost a third of those made anew
def _skipping(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


@cache
def _skipping_returning(
    dialect: str, table: Table, columns: tuple[Column[Any], ...]
) -> ReturningInsert[Any]:
    return _skipping(dialect, table).returning(*columns)


def insert_or_replace(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert whose rows take the place of those with the same primary key."""
    return _replacing(connection.dialect.name, table)


@cache
def _replacing(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    inserting = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement: postgresql.Insert | sqlite.Insert = inserting(table)
    key = [column.name for column in table.primary_key]
    rest = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=rest)
