"""Who may look at the dashboard, and which one-time links were followed."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from store.records import UserId
from store.sessions import end_sessions_of
from store.tables import used_tokens, users
from store.upserts import insert_or_skip


@dataclass(frozen=True)
class User:
    """One person of the team; the password is kept as an argon2 hash only."""

    id: UserId
    email: str
    password_hash: str
    created_at: datetime


KNOWN = select(users.c.id, users.c.email, users.c.password_hash, users.c.created_at)


def find_user(connection: Connection, email: str) -> User | None:
    row = connection.execute(KNOWN.where(_is_called(email))).first()
    return User(*row) if row else None


def list_users(connection: Connection) -> list[User]:
    """Everybody, by address."""
    return [User(*row) for row in connection.execute(KNOWN.order_by(users.c.email))]


def has_users(connection: Connection) -> bool:
    """False until the first `users add`: then only this machine itself may look."""
    return bool(connection.execute(select(func.count()).select_from(users)).scalar())


def add_user(tx: Connection, email: str, password_hash: str, now: datetime) -> bool:
    """False if there is one with this address already. The console's sessions end."""
    if find_user(tx, email):
        return False
    tx.execute(
        insert(users).values(
            email=email.strip().lower(), password_hash=password_hash, created_at=now
        )
    )
    end_sessions_of(tx, None)
    return True


def remove_user(tx: Connection, email: str) -> bool:
    """Delete a user and end their sessions; False if there is none with this address."""
    removed = delete(users).where(_is_called(email)).returning(users.c.id)
    return _end_sessions(tx, tx.scalar(removed))


def change_password(tx: Connection, email: str, password_hash: str) -> bool:
    """Give a user another password and end their sessions; False if there is no such user."""
    changed = update(users).where(_is_called(email)).values(password_hash=password_hash)
    return _end_sessions(tx, tx.scalar(changed.returning(users.c.id)))


def use_token(tx: Connection, nonce: str, now: datetime) -> bool:
    """Mark a one-time link as followed, by what it says and not by how it was written; False if it
    was before.
    """
    digest = hashlib.sha256(nonce.encode()).hexdigest()
    row = insert_or_skip(tx, used_tokens).values(digest=digest, used_at=now)
    return tx.execute(row.returning(used_tokens.c.digest)).first() is not None


def _is_called(email: str) -> ColumnElement[bool]:
    return users.c.email == email.strip().lower()


def _end_sessions(tx: Connection, user: UserId | None) -> bool:
    if user is None:
        return False
    end_sessions_of(tx, user)
    return True
