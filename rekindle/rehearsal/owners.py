"""Whose everything was before merges moved it: a simulation begins with two customers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, Table, delete, update

from store.interventions import Intervention
from store.records import CustomerId
from store.tables import EPOCH, consents, identities, traits

A_CHUNK = 1_000  # rows named in one statement
BY_MERGE = "merge"  # the source of consents that a merge asserts


@dataclass(frozen=True)
class Owners:
    """By table and row whose it was at first, and since when survivors were known by then."""

    rows: Mapping[str, Mapping[int, CustomerId]] = field(default_factory=dict)
    known_at: Mapping[CustomerId, datetime] = field(default_factory=dict)
    losers: frozenset[CustomerId] = frozenset()

    @property
    def involved(self) -> frozenset[CustomerId]:
        return self.losers | self.known_at.keys()

    def of(self, table: Table, row_id: int, now: int) -> CustomerId:
        """Whose the row was at first; `now` it is that customer's."""
        return self.rows.get(table.name, {}).get(row_id, CustomerId(now))


def find_owners(interventions: Iterable[Intervention]) -> Owners:
    rows: dict[str, dict[int, CustomerId]] = defaultdict(dict)
    known_at: dict[CustomerId, datetime] = {}
    losers: set[CustomerId] = set()
    for said in (one.said for one in interventions if one.kind == "merged"):
        loser, survivor = CustomerId(said["loser"]), CustomerId(said["survivor"])
        losers.add(loser)
        known_at.setdefault(survivor, EPOCH + timedelta(microseconds=said["known_at"]))
        for name in ("events", "traits", "consents", "identities", "enrollments"):
            for id_ in said[name]:
                rows[name].setdefault(id_, loser)
    return Owners(rows, known_at, frozenset(losers))


def give_back(tx: Connection, owners: Owners) -> None:
    """What was copied from after the merges, as it was before them."""
    if not owners.losers:
        return
    tx.execute(delete(consents).where(consents.c.source == BY_MERGE))
    for table in (traits, consents, identities):
        theirs: dict[CustomerId, list[int]] = defaultdict(list)
        for id_, owner in owners.rows.get(table.name, {}).items():
            theirs[owner].append(id_)
        for owner, ids in theirs.items():
            for start in range(0, len(ids), A_CHUNK):
                some = table.c.id.in_(ids[start : start + A_CHUNK])
                tx.execute(update(table).where(some).values(customer_id=owner))
