"""At which revision a database stands, and which one this version of Rekindle needs.

Every command asks that, so it is answered without Alembic, which takes longer to import than most
commands to run; `rekindle.migrating` is for changing it.
"""

import re
from functools import cache

from sqlalchemy import Connection, inspect, text

from rekindle import ENGINE_ROOT
from rekindle.errors import StoreUnavailable
from store.session import Store

MIGRATIONS = ENGINE_ROOT / "migrations"
REVISION = re.compile(r'^revision\b[^=]*= "(\w+)"', re.MULTILINE)
BEFORE = re.compile(r'^down_revision\b[^=]*= "(\w+)"', re.MULTILINE)


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
    """Return what Alembic wrote into the database; None where it never did."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


@cache
def newest_revision() -> str:
    """Return the revision that this version of Rekindle needs: the one no other comes after."""
    sources = [file.read_text("utf-8") for file in (MIGRATIONS / "versions").glob("*.py")]
    found = {name for source in sources for name in REVISION.findall(source)}
    [newest] = found - {name for source in sources for name in BEFORE.findall(source)}
    return str(newest)
