"""What emails said, compressed against their outlines, until they are too old."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from store.records import MessageId
from store.tables import mail_copies, mail_outlines
from store.upserts import insert_or_replace, insert_or_skip


@dataclass(frozen=True)
class StoredCopy:
    """One email as `templates.copies` packs it, with the name and text of its outline."""

    message_id: MessageId
    digest: str
    outline: bytes
    body: bytes


def save_copies(tx: Connection, copies: Sequence[StoredCopy], now: datetime) -> None:
    """Keep these emails; one that is written again, after its provider put it off, as it is now."""
    if not copies:
        return
    outlines = {copy.digest: copy.outline for copy in copies}
    rows = [{"digest": digest, "outline": text} for digest, text in outlines.items()]
    tx.execute(insert_or_skip(tx, mail_outlines), rows)
    tx.execute(
        insert_or_replace(tx, mail_copies),
        [
            {"message_id": one.message_id, "digest": one.digest, "body": one.body, "kept_at": now}
            for one in copies
        ],
    )


def load_copy(connection: Connection, message_id: MessageId) -> StoredCopy | None:
    query = (
        select(mail_copies.c.digest, mail_outlines.c.outline, mail_copies.c.body)
        .join(mail_outlines, mail_outlines.c.digest == mail_copies.c.digest)
        .where(mail_copies.c.message_id == message_id)
    )
    row = connection.execute(query).one_or_none()
    return StoredCopy(message_id, row.digest, row.outline, row.body) if row else None


def find_outdated(connection: Connection, before: datetime, limit_rows: int) -> list[MessageId]:
    """Return the oldest copies, if they were kept before that instant: emails are numbered as they
    are queued, so that the first ones that are newer end the search.
    """
    oldest = (
        select(mail_copies.c.message_id, mail_copies.c.kept_at)
        .order_by(mail_copies.c.message_id)
        .limit(limit_rows)
    )
    return [MessageId(row.message_id) for row in connection.execute(oldest) if row.kept_at < before]


def delete_copies(tx: Connection, ids: Sequence[MessageId]) -> None:
    """Forget these copies; outlines stay, as few as there were versions of templates."""
    tx.execute(delete(mail_copies).where(mail_copies.c.message_id.in_(ids)))
