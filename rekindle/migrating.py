"""Brings a database to the newest revision in `migrations/`, in a checkout as in a wheel."""

from collections.abc import Callable, Sequence
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text

from rekindle import ENGINE_ROOT
from rekindle.errors import StoreUnavailable
from store.session import Store

MIGRATIONS = ENGINE_ROOT / "migrations"
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


def is_current(store: Store) -> bool:
    """Whether the database stands at the newest revision. Raises StoreUnavailable."""
    return current_revision(store) == newest_revision()


def require_current(store: Store) -> None:
    """Raises StoreUnavailable, saying what to do, unless the database is at the newest revision."""
    if not is_current(store):
        raise StoreUnavailable("the database is not up to date. Run `rekindle db upgrade`.")


def is_foreign(store: Store) -> bool:
    """Whether there are tables that no migration of ours has made. Raises StoreUnavailable."""
    with store.read() as connection:
        return revision_of(connection) is None and bool(inspect(connection).get_table_names())


def current_revision(store: Store) -> str | None:
    """The revision at which the database stands; None before the first. Raises StoreUnavailable."""
    with store.read() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """The revision that this version of Rekindle needs."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert head is not None, f"no migrations in {MIGRATIONS}"
    return head


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
