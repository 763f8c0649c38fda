"""Effects that are not mails to a customer: rows first, done later, kept with how it went.

A claim is a name in `claimed_by`. Until its end, `due_at`, the row is nobody else's; its holder
renews it for as long as it works on it, and writes a result only where the claim is still its own.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select, update

from store.records import Enrollment, EnrollmentId
from store.tables import effects
from store.upserts import insert_or_skip

NO_ENROLLMENT = EnrollmentId(0)  # of a notice about somebody who is no customer


@dataclass(frozen=True)
class NewEffect:
    """Something to be done for one enrollment's step and visit; `ordinal` tells several apart."""

    enrollment: Enrollment
    ordinal: int
    kind: str  # notify, webhook
    payload: Mapping[str, Any]
    receiver: str  # whom it goes to


@dataclass(frozen=True)
class DueEffect:
    """Something still to be done."""

    id: int
    enrollment_id: EnrollmentId
    step: str
    kind: str
    payload: Mapping[str, Any]
    attempts: int  # so far
    made_at: datetime | None  # unknown of those made before this was kept
    receiver: str


def add_effects(tx: Connection, new: Sequence[NewEffect], now: datetime) -> None:
    """Make each due now; one that its step and visit already has is left as it is."""
    if new:
        tx.execute(
            insert_or_skip(tx, effects),
            [
                {
                    "enrollment_id": effect.enrollment.id,
                    "step": effect.enrollment.step,
                    "visit": effect.enrollment.visit,
                    "ordinal": effect.ordinal,
                    "kind": effect.kind,
                    "payload": dict(effect.payload),
                    "receiver": effect.receiver,
                    "status": "due",
                    "attempts": 0,
                    "made_at": now,
                    "due_at": now,
                }
                for effect in new
            ],
        )


KIND: BindParameter[str] = bindparam("kind_")
OURS = effects.c.receiver
# Reads one index entry a receiver, however many effects wait for them:
# WITH RECURSIVE walk AS (SELECT min(receiver) … UNION ALL SELECT min(receiver) … > walk.receiver)
_WAITING = (effects.c.kind == KIND) & effects.c.due_at.is_not(None)
_FIRST = select(func.min(OURS).label("receiver")).where(_WAITING).cte("walk", recursive=True)
_NEXT = select(func.min(OURS)).where(_WAITING, _FIRST.c.receiver < OURS).scalar_subquery()
_WALK = _FIRST.union_all(select(_NEXT).where(_FIRST.c.receiver.is_not(None)))
RECEIVERS = select(_WALK.c.receiver).where(_WALK.c.receiver.is_not(None))
NAME = (
    update(effects).where(effects.c.id == bindparam("id_")).values(receiver=bindparam("receiver_"))
)
UNNAMED = (
    select(effects.c.id, effects.c.payload)
    .where(_WAITING, OURS.is_(None))
    .limit(500)
    .with_for_update(skip_locked=True)  # another process that names them has the same to say
)
# those that another transaction writes at the moment are its own: waiting for them could be mutual
_DUE = (
    (effects.c.kind == KIND)
    & (bindparam("receiver_") == OURS)
    & (effects.c.due_at <= bindparam("now"))
)
# UPDATE effects SET due_at = …, claimed_by = NULL
# WHERE id IN (SELECT id FROM effects WHERE … FOR UPDATE SKIP LOCKED)
PUT_OFF = (
    update(effects)
    .where(effects.c.id.in_(select(effects.c.id).where(_DUE).with_for_update(skip_locked=True)))
    .values(due_at=bindparam("until"), claimed_by=None)
)
DUE = (
    select(
        effects.c.id,
        effects.c.enrollment_id,
        effects.c.step,
        effects.c.kind,
        effects.c.payload,
        effects.c.attempts,
        effects.c.made_at,
        effects.c.receiver,
    )
    .where(_DUE)
    .order_by(effects.c.due_at, effects.c.id)
    .limit(bindparam("limit_rows"))
    .with_for_update(skip_locked=True)
)


def list_receivers(connection: Connection, kind: str) -> list[str]:
    """Return everybody for whom such effects wait, due or not."""
    return list(connection.scalars(RECEIVERS, {"kind_": kind}))


def find_unnamed(connection: Connection, kind: str) -> dict[int, Mapping[str, Any]]:
    """Return the payloads of waiting effects whose receiver nobody has written down."""
    return {row.id: row.payload for row in connection.execute(UNNAMED, {"kind_": kind})}


def name_receivers(tx: Connection, receivers: Mapping[int, str]) -> None:
    rows = [{"id_": id_, "receiver_": receiver} for id_, receiver in receivers.items()]
    if rows:
        tx.execute(NAME, rows)


def claim_effects(
    tx: Connection,
    kind: str,
    receiver: str,
    now: datetime,
    limit_rows: int,
    claim: str,
    until: datetime,
) -> list[DueEffect]:
    """Return effects for `receiver` that are due at `now`, which are `claim`'s until `until`."""
    values = {"kind_": kind, "receiver_": receiver, "now": now, "limit_rows": limit_rows}
    due = [DueEffect(*row) for row in tx.execute(DUE, values)]
    if due:
        ids = [effect.id for effect in due]
        claimed = update(effects).where(effects.c.id.in_(ids))
        tx.execute(claimed.values(due_at=until, claimed_by=claim))
    return due


def renew_claims(tx: Connection, claims: Collection[str], until: datetime) -> None:
    """Claims that somebody took over meanwhile are left to them."""
    tx.execute(update(effects).where(effects.c.claimed_by.in_(claims)).values(due_at=until))


def put_off(tx: Connection, kind: str, receiver: str, now: datetime, until: datetime) -> None:
    """Have all that is due for `receiver` wait until then; no try is charged to any of it."""
    tx.execute(PUT_OFF, {"kind_": kind, "receiver_": receiver, "now": now, "until": until})


def finish_effect(
    tx: Connection,
    id_: int,
    claim: str,
    status: str,
    *,
    error: str | None = None,
    due_at: datetime | None = None,
) -> bool:
    """Keep how it went: done, failed, or due again at `due_at`. False where the claim was lost, or
    the customer erased, in the meantime: nothing is written then.
    """
    written = tx.execute(
        update(effects)
        .where(effects.c.id == id_, effects.c.claimed_by == claim, effects.c.status == "due")
        .values(
            status=status,
            error=error,
            due_at=due_at,
            claimed_by=None,
            attempts=effects.c.attempts + 1,
        )
        .returning(effects.c.id)
    )
    return written.first() is not None


def let_go(tx: Connection, id_: int, claim: str, now: datetime) -> None:
    """It was not begun: whoever comes first may do it."""
    held = update(effects).where(effects.c.id == id_, effects.c.claimed_by == claim)
    tx.execute(held.values(due_at=now, claimed_by=None))


def list_claims(connection: Connection) -> dict[int, str]:
    """Return every claimed effect with its claim."""
    query = select(effects.c.id, effects.c.claimed_by).where(effects.c.claimed_by.is_not(None))
    return {row.id: row.claimed_by for row in connection.execute(query)}


def take_as_done(tx: Connection, kind: str, now: datetime) -> int:
    """Have everything due count as done, though nothing of it was; how much that was."""
    due = update(effects).where(effects.c.kind == kind, effects.c.due_at <= now)
    done = due.values(status="done", due_at=None, attempts=effects.c.attempts + 1)
    return len(tx.execute(done.returning(effects.c.id)).all())


def count_waiting(connection: Connection, kind: str, receiver: str) -> int:
    query = select(func.count()).where(
        effects.c.kind == kind,
        effects.c.receiver == receiver,
        effects.c.due_at.is_not(None),
    )
    return connection.scalar(query) or 0
