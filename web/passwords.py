"""Passwords, kept as argon2id hashes; to make or compare one takes 64 MiB and a tenth of a second.

So those that strangers send are compared one at a time, in a thread of their own, and few may wait.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error

from web.room import Room

T = TypeVar("T")
SHORTEST_PASSWORD = 10
PASSWORDS = PasswordHasher()
NOBODYS = PASSWORDS.hash(secrets.token_urlsafe(16))  # costs a stranger as much time as a user's
MOST_WAITING = 8  # with the one that is compared; all of them within a second
MOST_WAITING_OF_ONE = 2
COMPARER = ThreadPoolExecutor(1, "password")


class Comparisons(Room):
    """The passwords that wait to be compared, by client."""

    def __init__(self) -> None:
        super().__init__(MOST_WAITING, MOST_WAITING_OF_ONE)


def hash_password(password: str) -> str:
    """As stored: argon2id with its salt and costs."""
    return PASSWORDS.hash(password)


def is_password(password: str, hashed: str | None) -> bool:
    """Whether it is the one that was hashed; takes as long for None, a user who does not exist."""
    try:
        return PASSWORDS.verify(hashed or NOBODYS, password)
    except Argon2Error:
        return False


async def compare_apart(work: Callable[[], T]) -> T:
    """What `work`, which compares one password, returns: done in turn."""
    return await asyncio.get_running_loop().run_in_executor(COMPARER, work)
