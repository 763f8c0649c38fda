"""Inserts that leave alone what is already there, said in each database's own words."""

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or_skip(
    connection: Connection, table: Table
) -> postgresql.Insert | sqlite.Insert:
    """An insert whose rows are skipped where a unique constraint already holds an equal one."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
