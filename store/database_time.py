"""The database's own time: the one clock that processes on several machines share, for leases."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from store.tables import MICROSECOND, instant_of


class database_time(FunctionElement[int]):  # noqa: N801 (named like the functions of SQLAlchemy)
    """Microseconds since 1970 at the moment of asking, also within a long transaction."""

    type = BigInteger()
    inherit_cache = True


@compiles(database_time, "postgresql")
def _in_postgresql(_element: Any, _compiler: Any, **_: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


@compiles(database_time, "sqlite")
def _in_sqlite(_element: Any, _compiler: Any, **_: Any) -> str:
    """To the millisecond: the number of days has no more digits."""
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000"


NOW = select(database_time())


def in_database(after: timedelta) -> ColumnElement[int]:
    """The instant so long after the database's time, to be stored."""
    return database_time() + after // MICROSECOND


def ask_database_time(connection: Connection) -> datetime:
    """What time the database thinks it is."""
    return instant_of(connection.execute(NOW).scalar_one())
