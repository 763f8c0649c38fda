"""Who is signed in to the dashboard: a browser holds a random token, the database its digest.

A session ends with its row: by signing out, with its user, and when their password changes.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, exists, insert, or_, select, update

from store.keys import digest_of
from store.records import UserId
from store.tables import sessions, users

CONSOLE = "console"  # the name of whoever followed the one-time link; no user's, without an @
IDLE = timedelta(hours=12)  # a working day: after so long without a request a session ends
LONGEST = timedelta(days=7)
RENEW = timedelta(hours=1)  # a request moves the end only after so long: not each is a write


@dataclass(frozen=True)
class Session:
    """A browser that is signed in, as its user or, before there are users, as the console."""

    digest: str
    name: str
    created_at: datetime
    expires_at: datetime

    def should_renew(self, now: datetime) -> bool:
        return self.next_end(now) - self.expires_at >= RENEW

    def next_end(self, now: datetime) -> datetime:
        return min(now + IDLE, self.created_at + LONGEST)


def begin_session(
    tx: Connection, now: datetime, user: UserId | None = None, password_hash: str = ""
) -> str | None:
    """Store a session and return its token; without `user` the console's.

    None where the user is gone or their password another one by now than `password_hash`.
    """
    if user is not None:
        # locked, so that whoever changes the password at this moment ends this session too
        kept = select(users.c.password_hash).where(users.c.id == user).with_for_update()
        if tx.scalar(kept) != password_hash:
            return None
    tx.execute(delete(sessions).where(sessions.c.expires_at <= now))
    token = secrets.token_urlsafe(32)
    row = {
        "digest": digest_of(token), "user_id": user, "created_at": now, "expires_at": now + IDLE,
    }  # fmt: skip
    tx.execute(insert(sessions), row)
    return token


def find_session(connection: Connection, token: str, now: datetime) -> Session | None:
    """Return the session of `token` unless it has ended; the console's ends with the first user."""
    query = (
        select(sessions.c.digest, users.c.email, sessions.c.created_at, sessions.c.expires_at)
        .outerjoin(users, users.c.id == sessions.c.user_id)
        .where(
            sessions.c.digest == digest_of(token),
            sessions.c.expires_at > now,
            or_(users.c.id.is_not(None), sessions.c.user_id.is_(None) & ~exists(users.select())),
        )
    )
    row = connection.execute(query).first()
    return Session(row[0], row[1] or CONSOLE, row[2], row[3]) if row else None


def renew_session(tx: Connection, session: Session, now: datetime) -> None:
    """Have it last on from `now`; one that was ended in the meantime stays ended."""
    renewed = update(sessions).where(sessions.c.digest == session.digest)
    tx.execute(renewed.values(expires_at=session.next_end(now)))


def end_session(tx: Connection, token: str) -> None:
    tx.execute(delete(sessions).where(sessions.c.digest == digest_of(token)))


def end_sessions_of(tx: Connection, user: UserId | None) -> None:
    """End all sessions of `user`; None is the console."""
    mine = sessions.c.user_id.is_(None) if user is None else sessions.c.user_id == user
    tx.execute(delete(sessions).where(mine))


def end_all_sessions(tx: Connection) -> None:
    """For a database that comes from a backup: who signed out since would be signed in again."""
    tx.execute(delete(sessions))
