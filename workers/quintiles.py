"""Publishes the fifths that `rfm` asks about, once a day, where anything asks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from rekindle.workspace.library import Library
from segments.conditions.rfm import Rfm
from segments.days import published_at
from segments.lexicon import Lexicon
from segments.quintiles import fifths
from store.quintiles import insert_quintiles, newest_quintiles


def are_quintiles_due(connection: Connection, library: Library, now: datetime) -> bool:
    """Whether the version in force is of an earlier day."""
    if Rfm not in library.asked_kinds:
        return False
    newest = newest_quintiles(connection, now)
    return newest is None or newest < published_at(now, library.lexicon.zone)


def find_quintiles(connection: Connection, lexicon: Lexicon, now: datetime) -> Mapping[str, Any]:
    """The fifths of the last hour of publication; reads all events that count, so not in a turn of
    the writer's.
    """
    as_of = published_at(now, lexicon.zone)
    return dict(connection.execute(fifths(lexicon, as_of)).one()._mapping) | {"as_of": as_of}


def publish_quintiles(tx: Connection, found: Mapping[str, Any], now: datetime) -> None:
    """Put a version into force."""
    bounds = {name: value for name, value in found.items() if name != "as_of"}
    insert_quintiles(tx, bounds, found["as_of"], now)
