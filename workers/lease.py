"""Who holds a claim, and whether that process is still there."""

import os
import socket
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import Connection

from store.leases import find_lease, hold_lease, release_lease

LEASE = timedelta(minutes=10)  # wall time; longer than the slowest batch of mails takes


def worker_name() -> str:
    """This process, so that another on the same machine can tell whether it lives."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started_at(os.getpid())}"


def new_claim() -> str:
    """A name for what is claimed at one time, by which nothing else is ever claimed.

    It ends like the name of this process, which tells others whether it lives.
    """
    return f"{uuid4().hex}@{worker_name()}"


def take_turn(tx: Connection, name: str, wall: datetime, length: timedelta) -> bool:
    """Hold the lease `name` for `length`, also where its holder is a process that is gone."""
    held = find_lease(tx, name)
    if held and is_gone(*held, wall):
        release_lease(tx, name, held[0])
    return hold_lease(tx, name, worker_name(), wall, wall + length)


def is_gone(holder: str, until: datetime, wall: datetime) -> bool:
    """Whether a claim may be taken over: its lease ended, or its process on this machine did."""
    if wall >= until:
        return True
    host, _, rest = holder.rpartition("@")[2].partition("/")
    pid, _, started_at = rest.partition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    return not _is_alive(int(pid)) or _started_at(int(pid)) != started_at


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # alive, and somebody else's
        return True
    return True


def _started_at(pid: int) -> str:
    """The kernel's start mark of a process, so that a reused pid is not taken for the old one;
    empty elsewhere.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[19].decode()
    except OSError:
        return ""
