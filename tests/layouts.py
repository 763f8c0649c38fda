"""What a database says about its tables, as far as a process of another version could trip over it.

An old process runs on beside a newer database. So every migration after `RELEASED` only adds:
tables, columns that may be null or have a default of the database's own (`server_default`), and
indexes that refuse no row. What else it does it must declare, with the version since which nothing
reads or writes what it takes away; that version must be older than the one in `pyproject.toml`:

    unread_since = {"positions.step": "0.2.0"}  # a table, table.column, or the name of an index
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, inspect

RELEASED = "failing_steps"  # the newest revision of version 0.1.0, from which the promise holds


@dataclass(frozen=True)
class Field:
    """One column, as far as whoever writes rows must know it."""

    type: str
    is_nullable: bool = False
    has_default: bool = False

    @property
    def may_be_left_out(self) -> bool:
        return self.is_nullable or self.has_default


@dataclass(frozen=True)
class Layout:
    """One table: its columns, primary key, and for each index or constraint if it refuses rows."""

    fields: Mapping[str, Field]
    key: tuple[str, ...] = ()
    indexes: Mapping[str, bool] = field(default_factory=dict)

    def having(self, **fields: Field) -> "Layout":
        return replace(self, fields={**self.fields, **fields})


def read_layouts(connection: Connection) -> dict[str, Layout]:
    """Of every table that there is."""
    seen = inspect(connection)
    return {
        table: Layout(
            {
                column["name"]: Field(
                    str(column["type"]), column["nullable"], column["default"] is not None
                )
                for column in seen.get_columns(table)
            },
            tuple(seen.get_pk_constraint(table)["constrained_columns"]),
            {str(index["name"]): bool(index["unique"]) for index in seen.get_indexes(table)}
            | {str(one["name"]): True for one in seen.get_unique_constraints(table)},
        )
        for table in seen.get_table_names()
    }


def taken_away(before: Mapping[str, Layout], after: Mapping[str, Layout]) -> dict[str, str]:
    """What a process that knows only `before` could stumble upon in `after`, and how."""
    found = dict.fromkeys(before.keys() - after.keys(), "is gone")
    for table in before.keys() & after.keys():
        found |= dict(_differences(table, before[table], after[table]))
    return found


def _differences(table: str, old: Layout, new: Layout) -> Iterator[tuple[str, str]]:
    if old.key != new.key:
        yield table, "has another primary key"
    for name, then in old.fields.items():
        if how := _narrowed(then, new.fields.get(name)):
            yield f"{table}.{name}", how
    for name in new.fields.keys() - old.fields.keys():
        if not new.fields[name].may_be_left_out:
            yield f"{table}.{name}", "is new and must be given; an old process does not"
    yield from ((name, "is gone") for name in old.indexes.keys() - new.indexes.keys())
    for name, refuses in new.indexes.items():
        if refuses and not old.indexes.get(name, False):
            yield name, "refuses rows that an old process may write"


def _narrowed(then: Field, now: Field | None) -> str | None:
    if now is None:
        return "is gone"
    if now.type != then.type:
        return f"was {then.type} and is {now.type}"
    return "must be given now" if then.may_be_left_out and not now.may_be_left_out else None
