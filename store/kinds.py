"""Event kinds: each (name, channel, actor) has one small number, so that events stay narrow."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from store.records import Actor
from store.tables import event_kinds
from store.upserts import insert_or_skip

NAMED = select(event_kinds).where(event_kinds.c.name.in_(bindparam("names", expanding=True)))


class Kind(NamedTuple):
    name: str  # lower case, noun.past_participle
    channel: str
    actor: Actor


def intern_kinds(tx: Connection, wanted: Iterable[Kind]) -> dict[Kind, int]:
    """The number of each kind; new ones are given the next."""
    kinds = set(wanted)
    known = _numbers(tx, kinds)
    if missing := sorted(kinds - known.keys()):
        rows = [{"name": k.name, "channel": k.channel, "actor": k.actor} for k in missing]
        tx.execute(insert_or_skip(tx, event_kinds), rows)
        known = _numbers(tx, kinds)
    return known


def _numbers(tx: Connection, kinds: set[Kind]) -> dict[Kind, int]:
    names = {kind.name for kind in kinds}
    rows = tx.execute(NAMED, {"names": sorted(names)})
    return {Kind(row.name, row.channel, Actor(row.actor)): row.id for row in rows}


def load_kinds_of(connection: Connection, names: Iterable[str]) -> set[tuple[str, str]]:
    """The name and channel of every kind that has one of these names."""
    found = connection.execute(NAMED, {"names": sorted(names)})
    return {(row.name, row.channel) for row in found}


def load_event_names(connection: Connection) -> frozenset[str]:
    """What the events that ever came are called."""
    return frozenset(connection.scalars(select(event_kinds.c.name)))
