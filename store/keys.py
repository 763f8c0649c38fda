"""Keys that let senders in; only their digest is kept."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, select, update

from store.records import Trust
from store.tables import access_keys
from store.upserts import insert_or_skip

KeyKind = Literal["write", "api"]
SHOWN_DIGITS = 12  # of the digest: enough to name a key, too few to be one


@dataclass(frozen=True)
class AccessKey:
    id: int
    kind: KeyKind
    digest: str
    label: str
    is_browser: bool
    created_at: datetime
    revoked_at: datetime | None

    @property
    def name(self) -> str:
        """What people call the key by; the key itself is nowhere."""
        return self.label or self.digest[:SHOWN_DIGITS]

    @property
    def trust(self) -> Trust:
        return Trust.BROWSER if self.is_browser else Trust.SERVER


def digest_of(secret: str) -> str:
    """What is kept of a key or token; whatever text somebody sends has one."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def add_key(
    tx: Connection,
    key: str,
    now: datetime,
    *,
    kind: KeyKind = "write",
    label: str = "",
    is_browser: bool = False,
) -> bool:
    """Let `key` in; False if it was let in before, which stays as it was."""
    row = {
        "kind": kind,
        "digest": digest_of(key),
        "label": label,
        "is_browser": is_browser,
        "created_at": now,
    }
    added = tx.execute(insert_or_skip(tx, access_keys).returning(access_keys.c.id), [row])
    return added.first() is not None


def find_key(connection: Connection, key: str, kind: KeyKind = "write") -> AccessKey | None:
    """The key if it is let in and was not revoked."""
    row = connection.execute(
        select(access_keys).where(
            access_keys.c.digest == digest_of(key),
            access_keys.c.kind == kind,
            access_keys.c.revoked_at.is_(None),
        )
    ).first()
    return _key(row) if row else None


def load_keys(connection: Connection) -> list[AccessKey]:
    """All keys ever let in, oldest first."""
    return [_key(row) for row in connection.execute(select(access_keys).order_by(access_keys.c.id))]


def revoke_key(tx: Connection, id_: int, now: datetime) -> bool:
    """Shut a key out; False if there is none or it is out already."""
    revoked = tx.execute(
        update(access_keys)
        .where(access_keys.c.id == id_, access_keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(access_keys.c.id)
    )
    return revoked.first() is not None


def _key(row: Row[Any]) -> AccessKey:
    return AccessKey(
        row.id,
        row.kind,
        row.digest,
        row.label,
        row.is_browser,
        row.created_at,
        row.revoked_at,
    )
