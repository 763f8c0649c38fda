"""Brings a database to the newest revision in `migrations/`, in a checkout as in a wheel."""

from collections.abc import Callable, Sequence
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from rekindle.errors import StoreUnavailable
from rekindle.revisions import MIGRATIONS, is_current, newest_revision, revision_of
from store.session import Store

NOTHING = "base"  # Alembic's word for the state before the first migration
TURN = 7_365_532  # PostgreSQL advisory lock: any number, the same in all our processes


def upgrade(store: Store, revision: str | None = None) -> None:
    """Apply every migration up to `revision` (the newest) that the database lacks, in one
    transaction; processes take turns.

    Raises StoreUnavailable if it cannot be reached or was made by a newer version of Rekindle.
    """
    if is_current(store):
        return
    with store.begin() as tx:
        _wait_for_turn(tx)
        try:
            command.upgrade(_config(tx), revision or newest_revision())
        except CommandError as error:
            raise StoreUnavailable(_unknown(revision_of(tx))) from error


def downgrade(store: Store, revision: str = NOTHING) -> None:
    """Take back every migration after `revision`, with the rows in its tables."""
    with store.begin() as tx:
        _wait_for_turn(tx)
        command.downgrade(_config(tx), revision)


def belongs_to(dialect: str) -> Callable[..., bool]:
    """Which tables and indexes Alembic is to compare: some indexes only one database has."""

    def compares(found: Any, *_more: Any) -> bool:
        return bool(found.info.get("dialect", dialect) == dialect)

    return compares


def migrations_since(revision: str) -> Sequence[Script]:
    """Every migration after `revision`, the oldest first."""
    after = ScriptDirectory(str(MIGRATIONS)).iterate_revisions("head", revision)
    return list(after)[::-1]


def _config(tx: Connection) -> Config:
    config = Config(attributes={"connection": tx})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _wait_for_turn(tx: Connection) -> None:
    if tx.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE is a turn already
        tx.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": TURN})


def _unknown(revision: str | None) -> str:
    return f"the database is at {revision!r}, which this version of Rekindle does not know."
