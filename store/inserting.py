"""Inserts that let an existing row stand, on both databases."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(tx: Connection, table: Table) -> Any:
    """An INSERT for `table` that skips rows which would break a unique constraint."""
    dialect: Any = sqlite if tx.dialect.name == "sqlite" else postgresql
    return dialect.insert(table).on_conflict_do_nothing()
