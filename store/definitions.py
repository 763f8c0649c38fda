"""What marketers wrote, in versions: the text of every file as it was applied, and when."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, Select, case, func, insert, select, text

from store.interventions import record_intervention
from store.permission_changes import note_permission_change
from store.records import Definition, DefinitionId
from store.tables import definitions

Key = tuple[str, str]  # kind and name
NEWEST = select(func.max(definitions.c.id))  # made once: it is asked before every piece of work


def digest_of(body: str | None) -> str:
    """What tells two versions apart; a retired one has none."""
    return "" if body is None else sha256(body.encode()).hexdigest()


def newest_definition(connection: Connection) -> DefinitionId | None:
    """The id of what was applied last, or None if nothing ever was."""
    newest = connection.scalar(NEWEST)
    return None if newest is None else DefinitionId(newest)


def lock_definitions(tx: Connection) -> None:
    """Have one apply at a time write, so that versions are committed in the order of their ids.

    Whoever reads goes on. On SQLite a writing transaction has everything to itself anyway.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(text(f"LOCK TABLE {definitions.name} IN SHARE ROW EXCLUSIVE MODE"))


def hold_definitions(tx: Connection) -> None:
    """Have nobody apply anything until this short transaction ends."""
    if tx.dialect.name == "postgresql":
        tx.execute(text(f"LOCK TABLE {definitions.name} IN SHARE MODE"))


def load_applied(connection: Connection, newest: DefinitionId) -> list[Definition]:
    """The newest version of each definition up to the id `newest`; those retired are left out.

    By number, not by instant: what is committed counts, whatever the clock of whoever applied it.
    """
    up_to = select(func.max(definitions.c.id)).where(definitions.c.id <= newest)
    ids = up_to.group_by(definitions.c.kind, definitions.c.name)
    chosen = select(definitions).where(definitions.c.id.in_(ids), definitions.c.body.is_not(None))
    return _load(connection, chosen.order_by(definitions.c.kind, definitions.c.name))


def applied_at(connection: Connection, id_: DefinitionId) -> datetime:
    """When this version was applied."""
    known_at: datetime = connection.execute(
        select(definitions.c.known_at).where(definitions.c.id == id_)
    ).scalar_one()
    return known_at


def load_current(connection: Connection, at: datetime) -> list[Definition]:
    """Looking back: what was in force at `at`, or of each definition the first if none was known.

    Those retired by then are left out.
    """
    is_known = definitions.c.known_at <= at
    version = definitions.c.version
    best_first = [is_known.desc(), case((is_known, -version), else_=version)]
    by_name = [definitions.c.kind, definitions.c.name]
    place = func.row_number().over(partition_by=by_name, order_by=best_first).label("place")
    ranked = select(definitions, place).subquery()
    chosen = select(ranked).where(ranked.c.place == 1, ranked.c.body.is_not(None))
    return _load(connection, chosen.order_by(ranked.c.kind, ranked.c.name))


def load_versions(
    connection: Connection, ids: Sequence[DefinitionId] | None = None
) -> list[Definition]:
    """These versions; without `ids`, every version of every journey, for those still under way."""
    wanted = select(definitions).where(definitions.c.body.is_not(None))
    if ids is None:
        wanted = wanted.where(definitions.c.kind == "journey")
    else:
        wanted = wanted.where(definitions.c.id.in_(ids))
    return _load(connection, wanted.order_by(definitions.c.id))


def load_latest(connection: Connection) -> dict[Key, Definition]:
    """The newest version of each definition, retired ones too, whenever it became known."""
    newest = select(func.max(definitions.c.id)).group_by(definitions.c.kind, definitions.c.name)
    found = _load(connection, select(definitions).where(definitions.c.id.in_(newest)))
    return {(one.kind, one.name): one for one in found}


def save_definitions(
    tx: Connection, items: Mapping[Key, str | None], now: datetime
) -> tuple[Key, ...]:
    """Store each text that differs from its newest version as the next one; None retires.

    Answers what was stored, sorted. Retiring what does not exist stores nothing.
    """
    lock_definitions(tx)
    latest = load_latest(tx)
    rows = [
        {
            "kind": key[0],
            "name": key[1],
            "version": latest[key].version + 1 if key in latest else 1,
            "digest": digest_of(body),
            "body": body,
            "known_at": now,
        }
        for key, body in sorted(items.items())
        if digest_of(body) != (latest[key].digest if key in latest else "")
    ]
    if rows:
        tx.execute(insert(definitions), rows)
        note_permission_change(tx)
        record_intervention(tx, "applied", {}, now)
    return tuple((str(row["kind"]), str(row["name"])) for row in rows)


def _load(connection: Connection, statement: Select[Any]) -> list[Definition]:
    return [_record(row) for row in connection.execute(statement)]


def _record(row: Row[Any]) -> Definition:
    return Definition(
        DefinitionId(row.id), row.kind, row.name, row.version, row.digest, row.body, row.known_at
    )
