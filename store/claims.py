"""Claims on messages: held by one worker for as long as it says so, and written only by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, bindparam, case, func, select, update

from store.bulk import read_rows, write_many
from store.database_time import database_time
from store.messages import COLUMNS, IDS, Sending, as_message
from store.records import Message, MessageId
from store.tables import MICROSECOND, Instant, messages

LEASE_ENDS = database_time() + bindparam("lease_", type_=BigInteger)
CLAIM = (
    update(messages)
    .where(messages.c.id == bindparam("id_"))
    .values(
        status="sending",
        reason="",
        address=bindparam("address_"),
        claimed_by=bindparam("claim_"),
        claimed_until=LEASE_ENDS,
    )
)
# What a worker writes about a mail it claimed is written only where the claim is still its own.
IS_OURS = messages.c.claimed_by == bindparam("claim_")
IS_OPEN = messages.c.status == "sending"  # no report has said more than we know
STATUS_AND_REASON = {  # as we know them, where no report has said more
    "status": case((IS_OPEN, bindparam("status_")), else_=messages.c.status),
    "reason": case((IS_OPEN, bindparam("reason_")), else_=messages.c.reason),
}
RENEW = update(messages).where(IS_OURS).values(claimed_until=LEASE_ENDS)
MARK = (
    update(messages)
    .where(messages.c.id.in_(IDS), IS_OURS, IS_OPEN)
    .values(handed_over_at=bindparam("handed_over_at_"))
    .returning(messages.c.id)
)
SAVE = (
    update(messages)
    .where(messages.c.id == bindparam("id_"), IS_OURS)
    .values(
        **STATUS_AND_REASON,
        sent_at=func.coalesce(messages.c.sent_at, bindparam("sent_at_", type_=Instant)),
        provider_message_id=bindparam("provider_message_id_"),
    )
)
LOCK_CLAIMED = (
    select(
        messages.c.id,
        messages.c.status,
        messages.c.topic,
        messages.c.address,
        messages.c.attempts,
        messages.c.deferred_at,
        messages.c.handed_over_at,
    )
    .where(messages.c.id.in_(IDS), IS_OURS)
    .order_by(messages.c.id)
    .with_for_update()
)
LET_GO = (
    update(messages)
    .where(messages.c.id == bindparam("id_"), IS_OURS)
    .values(
        **STATUS_AND_REASON,
        sent_at=func.coalesce(messages.c.sent_at, bindparam("sent_at_", type_=Instant)),
        due_at=case((IS_OPEN, bindparam("due_at_", type_=Instant)), else_=None),
        deferred_at=bindparam("deferred_at_"),
        provider_message_id=func.coalesce(
            bindparam("provider_message_id_"), messages.c.provider_message_id
        ),
        claimed_by=None,
        claimed_until=None,
        enqueued_until=None,
        handed_over_at=case(
            (and_(IS_OPEN, bindparam("status_") == "queued"), None),
            else_=messages.c.handed_over_at,
        ),
        attempts=messages.c.attempts + 1,
    )
)
RELEASE = (
    update(messages)
    .where(messages.c.id == bindparam("id_"), IS_OURS)
    .values(
        **STATUS_AND_REASON,
        # claims of an older version have none
        due_at=case(
            (IS_OPEN, func.coalesce(messages.c.due_at, bindparam("now_", type_=Instant))),
            else_=None,
        ),
        claimed_by=None,
        claimed_until=None,
        enqueued_until=None,
        handed_over_at=case((IS_OPEN, None), else_=messages.c.handed_over_at),
    )
)
GIVE_WAY = (
    update(messages)
    .where(
        messages.c.id.in_(IDS),
        messages.c.claimed_by.is_(None),
        messages.c.due_at < bindparam("until_", type_=Instant),
    )
    .values(due_at=bindparam("until_", type_=Instant))
)
TAKE_OVER = (
    update(messages)
    .where(
        messages.c.claimed_by == bindparam("theirs"), messages.c.claimed_until == bindparam("until")
    )
    .values(claimed_by=bindparam("claim_"), claimed_until=LEASE_ENDS)
    .returning(messages.c.id)
)
CLAIMED = select(*COLUMNS, messages.c.claimed_by, messages.c.claimed_until).where(
    messages.c.claimed_by.is_not(None)
)


@dataclass(frozen=True)
class Claimed:
    """A mail that is ours, as it stands: a report may have said more by now."""

    id: MessageId
    status: str
    topic: str
    address: str
    attempts: int
    deferred_at: datetime | None
    handed_over_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.status == "sending"


def claim(tx: Connection, addresses: Mapping[MessageId, str], claim: str, lease: timedelta) -> None:
    """These messages are held under `claim` until the lease ends; nothing has left yet."""
    holder = {"claim_": claim, "lease_": lease // MICROSECOND}
    rows = [{"id_": id_, "address_": address, **holder} for id_, address in addresses.items()]
    write_many(tx, CLAIM, rows)


def renew(tx: Connection, claim: str, lease: timedelta) -> None:
    """Whoever holds this claim is alive."""
    tx.execute(RENEW, {"claim_": claim, "lease_": lease // MICROSECOND})


def mark_handed_over(
    tx: Connection, ids: Sequence[MessageId], claim: str, now: datetime
) -> set[MessageId]:
    """The second mark: committed before the last byte of these very messages leaves.

    Returns those that bear it; what is not ours any more must not be handed over.
    """
    if not ids:
        return set()
    marked = tx.scalars(MARK, {"ids": ids, "claim_": claim, "handed_over_at_": now})
    return {MessageId(id_) for id_ in marked}


def save_sendings(tx: Connection, sendings: Sequence[Sending], claim: str) -> None:
    """Results, still claimed: the claim is let go in the transaction that tells the rest of the
    engine.
    """
    write_many(tx, SAVE, [_saved(one, claim) for one in sendings])


def _saved(one: Sending, claim: str) -> dict[str, Any]:
    return {
        "id_": one.message_id,
        "claim_": claim,
        "status_": one.status,
        "reason_": one.reason,
        "sent_at_": one.sent_at,
        "provider_message_id_": one.provider_message_id,
    }


def lock_claimed(tx: Connection, ids: Sequence[MessageId], claim: str) -> dict[MessageId, Claimed]:
    """Those of these messages that are still held under `claim`, locked for this transaction."""
    rows = tx.execute(LOCK_CLAIMED, {"ids": ids, "claim_": claim})
    return {MessageId(row.id): Claimed(*row) for row in rows}


def let_go(tx: Connection, sendings: Sequence[Sending], claim: str) -> None:
    """What an attempt came to: nobody's any more, due again only where it is to be tried again.

    What a report has said meanwhile stays.
    """
    rows = [
        {**_saved(one, claim), "due_at_": one.due_at, "deferred_at_": one.deferred_at}
        for one in sendings
    ]
    write_many(tx, LET_GO, rows)


def release(tx: Connection, held: Sequence[Message], claim: str, now: datetime) -> None:
    """Not tried: as before it was claimed, so that nothing newer overtakes it."""
    ours = {"claim_": claim, "now_": now}
    rows = [{"id_": one.id, "status_": one.status, "reason_": one.reason, **ours} for one in held]
    write_many(tx, RELEASE, rows)


def give_way(tx: Connection, ids: Sequence[MessageId], until: datetime) -> None:
    """Let what is due go before these: due no earlier than `until`, and no try is charged."""
    if ids:
        tx.execute(GIVE_WAY, {"ids": ids, "until_": until})


def take_over(
    tx: Connection, theirs: str, until: datetime, claim: str, lease: timedelta
) -> set[MessageId]:
    """Hold what was held under `theirs`, unless that was renewed meanwhile."""
    asked = {"theirs": theirs, "until": until, "claim_": claim, "lease_": lease // MICROSECOND}
    return {MessageId(id_) for id_ in tx.scalars(TAKE_OVER, asked)}


def claims(tx: Connection) -> list[tuple[Message, str, datetime]]:
    """Every claimed message with its claim and the end of its lease (the database's time)."""
    rows = read_rows(tx, CLAIMED)
    return [(as_message(row), holder, until) for row in rows for holder, until in (row[-2:],)]
