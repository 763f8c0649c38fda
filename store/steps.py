"""Names of steps as small numbers, so that a position takes as much room at one as at another."""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select

from store.bulk import read_columns
from store.tables import positions, step_names
from store.upserts import insert_or_skip

NAMED = select(step_names.c.name).where(step_names.c.id == bindparam("id"))
NUMBERED = select(step_names.c.id).where(step_names.c.name == bindparam("name"))
# what the step is called at which a position stands, in whatever statement asks for it
STEP = (
    select(step_names.c.name)
    .where(step_names.c.id == positions.c.step_id)
    .correlate(positions)
    .scalar_subquery()
)


def name_steps(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """What the steps of these numbers are called."""
    return {number: _name(connection, number) for number in set(numbers)}


def _name(connection: Connection, number: int) -> str:
    [[name]] = read_columns(connection, NAMED, {"id": number})
    return str(name)


def intern_steps(tx: Connection, names: Iterable[str]) -> dict[str, int]:
    """The number of each step; new ones are given the next."""
    return {name: _number(tx, name) or _new(tx, name) for name in sorted(set(names))}


def _new(tx: Connection, name: str) -> int:
    tx.execute(insert_or_skip(tx, step_names), [{"name": name}])
    number = _number(tx, name)
    assert number is not None  # ours, or another's that was first
    return number


def _number(tx: Connection, name: str) -> int | None:
    [found] = read_columns(tx, NUMBERED, {"name": name})
    return found[0] if found else None
