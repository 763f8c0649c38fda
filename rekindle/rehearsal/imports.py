"""Files of customers, which are known from the beginning once they are there: a simulation that
follows the record learns of them when the engine did.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, update

from store.interventions import Intervention
from store.tables import EPOCH, consents, traits


@dataclass(frozen=True)
class Import:
    """Rows that came with one file, by table: those after the first id up to the second."""

    at: datetime
    order: int
    rows: dict[str, tuple[int, int]]

    def has(self, table: Table) -> ColumnElement[bool]:
        first, last = self.rows[table.name]
        return (table.c.id > first) & (table.c.id <= last) & (table.c.known_at == EPOCH)

    def brings(self, table: Table, row: Row[Any]) -> bool:
        first, last = self.rows[table.name]
        return bool(first < row.id <= last and row.known_at == EPOCH)


def find_imports(interventions: Iterable[Intervention]) -> list[Import]:
    return [
        Import(
            one.known_at,
            one.last_event_id,
            {name: (first, one.said["until"][name]) for name, first in one.said["after"].items()},
        )
        for one in interventions
        if one.kind == "imported"
    ]


def know_when_imported(tx: Connection, imports: Iterable[Import]) -> None:
    """What files said becomes known when they came."""
    for one in imports:
        for table in (traits, consents):
            tx.execute(update(table).where(one.has(table)).values(known_at=one.at))
