"""Whom webhooks and notices go to, where they did not take the last one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from store.tables import receivers
from store.upserts import insert_or_replace


@dataclass(frozen=True)
class Receiver:
    """Somebody who fails at the moment; whoever takes what they are sent has no row."""

    kind: str  # of effects: notify, webhook
    name: str
    failures: int  # since they last took one
    failing_since: datetime
    resting_until: datetime | None
    error: str

    def is_resting(self, now: datetime) -> bool:
        return self.resting_until is not None and now < self.resting_until


def load_receivers(connection: Connection, kind: str | None = None) -> list[Receiver]:
    """Return those who fail at the moment, by name."""
    query = select(
        receivers.c.kind,
        receivers.c.receiver,
        receivers.c.failures,
        receivers.c.failing_since,
        receivers.c.resting_until,
        receivers.c.error,
    ).order_by(receivers.c.kind, receivers.c.receiver)
    if kind is not None:
        query = query.where(receivers.c.kind == kind)
    return [Receiver(*row) for row in connection.execute(query)]


def save_receivers(tx: Connection, failing: Collection[Receiver]) -> None:
    rows = [
        {
            "kind": receiver.kind,
            "receiver": receiver.name,
            "failures": receiver.failures,
            "failing_since": receiver.failing_since,
            "resting_until": receiver.resting_until,
            "error": receiver.error,
        }
        for receiver in failing
    ]
    if rows:
        tx.execute(insert_or_replace(tx, receivers), rows)


def forget_receivers(tx: Connection, kind: str, names: Collection[str]) -> None:
    """They are well again."""
    if names:
        tx.execute(
            delete(receivers).where(receivers.c.kind == kind, receivers.c.receiver.in_(names))
        )
