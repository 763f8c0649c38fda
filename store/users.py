"""Who may look at the dashboard, and which one-time links were followed."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from store.tables import used_tokens, users
from store.upserts import insert_or_skip


@dataclass(frozen=True)
class User:
    """One person of the team; the password is kept as an argon2 hash only."""

    email: str
    password_hash: str
    created_at: datetime


def find_user(connection: Connection, email: str) -> User | None:
    query = select(users.c.email, users.c.password_hash, users.c.created_at)
    row = connection.execute(query.where(users.c.email == email.strip().lower())).first()
    return User(*row) if row else None


def list_users(connection: Connection) -> list[User]:
    """Everybody, by address."""
    query = select(users.c.email, users.c.password_hash, users.c.created_at)
    return [User(*row) for row in connection.execute(query.order_by(users.c.email))]


def has_users(connection: Connection) -> bool:
    """False until the first `users add`: then only this machine itself may look."""
    return bool(connection.execute(select(func.count()).select_from(users)).scalar())


def add_user(tx: Connection, email: str, password_hash: str, now: datetime) -> bool:
    """False if there is one with this address already."""
    if find_user(tx, email):
        return False
    tx.execute(
        insert(users).values(
            email=email.strip().lower(), password_hash=password_hash, created_at=now
        )
    )
    return True


def use_token(tx: Connection, token: str, now: datetime) -> bool:
    """Mark a one-time link as followed; False if it was before."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    row = insert_or_skip(tx, used_tokens).values(digest=digest, used_at=now)
    return tx.execute(row.returning(used_tokens.c.digest)).first() is not None
