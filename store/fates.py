"""What became of a mail in the end: a status only moves forward, whoever writes first."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, func, literal, update

from store.records import MessageId
from store.tables import Instant, messages

# Reports come in any order, and before we have written that we sent the mail: the graver one stays.
# A mail that has left and is to leave once more, because nobody answered, may be among the first.
UNREPORTED = ("queued", "held", "cancelled", "sending", "uncertain", "sent")
FOLLOWS: Mapping[str, tuple[str, ...]] = {
    "refused": UNREPORTED,
    "delivered": (*UNREPORTED, "refused"),
    "bounced": (*UNREPORTED, "refused", "delivered"),
    "complained": (*UNREPORTED, "refused", "delivered", "bounced"),
}


def raise_status(tx: Connection, ids: Collection[MessageId], status: str, now: datetime) -> None:
    """Somebody else says what became of these mails: they had been sent, and are not sent again."""
    if not ids:
        return
    at = literal(now, Instant)
    tx.execute(
        update(messages)
        .where(messages.c.id.in_(sorted(ids)), messages.c.status.in_(FOLLOWS[status]))
        .values(
            status=status,
            due_at=None,
            sent_at=func.coalesce(messages.c.sent_at, messages.c.handed_over_at, at),
        )
    )
