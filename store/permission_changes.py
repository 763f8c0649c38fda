"""What may have changed the permission of mails on their way, for whoever is about to send them.

Whoever tightens or loosens permission says so here, in the same transaction: a row, never an update
of a shared one, so that nobody waits for anybody. Whoever sends looks whether there is a new row
with each mark that stands before a mail's last byte.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from store.bulk import read_rows
from store.records import CustomerId
from store.tables import permission_changes

FEW = 20  # customers named in one transaction; more are everybody
# A row's id is given before its transaction commits: one that is seen late may have an id below
# those that were seen already. So many ids below the newest are still looked at.
LATE_IDS = 2_000
KEPT = 2 * LATE_IDS

NEWEST = select(func.coalesce(func.max(permission_changes.c.id), 0))
IS_RECENT = permission_changes.c.id > bindparam("floor")
SUMS = select(
    func.count(), func.coalesce(func.sum(permission_changes.c.id), 0)
).where(IS_RECENT)  # fmt: skip
RECENT = select(permission_changes.c.id, permission_changes.c.concerns).where(IS_RECENT)


def note_permission_change(tx: Connection, customers: Iterable[CustomerId] | None = None) -> None:
    """The permission of mails to these customers, or to everybody, may have changed."""
    ids = None if customers is None else set(customers)
    if ids is not None and not ids:
        return
    concerned: Collection[int | None] = [None] if ids is None or len(ids) > FEW else sorted(ids)
    tx.execute(insert(permission_changes), [{"concerns": id_} for id_ in concerned])


@dataclass
class PermissionWatch:
    """What one worker has heard. The usual look is one small query that finds nothing new."""

    floor: int
    sums: tuple[Any, ...]
    heard: set[int] = field(default_factory=set)

    @classmethod
    def begin(cls, tx: Connection) -> "PermissionWatch":
        """From here on; to be called before permission is asked."""
        [(newest,)] = read_rows(tx, NEWEST)
        floor = newest - LATE_IDS
        return cls(floor, _sums(tx, floor))

    @contextmanager
    def hearing(
        self, tx: Connection, held: Collection[CustomerId]
    ) -> Iterator[Collection[CustomerId]]:
        """Those of `held` whose permission may have changed since the last look.

        What was said counts as heard once the block has dealt with it.
        """
        sums = _sums(tx, self.floor)
        if sums == self.sums:
            yield ()
            return
        rows = read_rows(tx, RECENT, {"floor": self.floor})
        news = {concerns for id_, concerns in rows if id_ not in self.heard}
        is_torn = len(rows) - len(self.heard) > LATE_IDS  # so many that some are forgotten already
        yield set(held) if None in news or is_torn else set(held) & news
        self.sums = sums
        self.heard.update(id_ for id_, _ in rows)


def _sums(tx: Connection, floor: int) -> tuple[Any, ...]:
    [sums] = read_rows(tx, SUMS, {"floor": floor})
    return sums


def has_many_changes(connection: Connection) -> bool:
    """Whether it is time to forget some; it only reads."""
    query = select(func.max(permission_changes.c.id) - func.min(permission_changes.c.id))
    return (connection.scalar(query) or 0) > 2 * KEPT


def forget_permission_changes(tx: Connection) -> None:
    """Those that no worker can have missed."""
    [(newest,)] = read_rows(tx, NEWEST)
    tx.execute(delete(permission_changes).where(permission_changes.c.id <= newest - KEPT))
