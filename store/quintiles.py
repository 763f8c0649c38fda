"""Versions of the fifths among customers: how recently, how often and for how much they bought."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from store.tables import quintiles


def newest_quintiles(connection: Connection, at: datetime) -> datetime | None:
    """As of when the version in force at `at` is; None before the first."""
    query = select(func.max(quintiles.c.as_of, type_=quintiles.c.as_of.type))
    found: datetime | None = connection.scalar(query.where(quintiles.c.known_at <= at))
    return found


def insert_quintiles(
    tx: Connection, bounds: Mapping[str, Any], as_of: datetime, now: datetime
) -> None:
    """Publish a version, in force from `now` on."""
    tx.execute(insert(quintiles).values(**bounds, as_of=as_of, known_at=now))
