"""Whom a webhook or a notice goes to, and how long somebody who fails is left alone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

from store.receivers import Receiver

PATIENCE = 3  # failures in a row; fewer may be chance
SHORTEST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=15)
RETRY_AFTER = timedelta(minutes=5)  # doubled after each try
LONGEST_PAUSE = timedelta(hours=6)  # between two tries of one effect
JITTER = 0.2  # of a rest, so that not all who fail together are called again together
PORTS = {"http": 80, "https": 443}
# notification services whose targets begin with a host; of all others that place may be a secret
WITH_HOST = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})


def receiver_of(kind: str, payload: Mapping[str, Any]) -> str:
    """Return who gets it, as far as a name may tell: no path, user or token."""
    written = str(payload.get("url" if kind == "webhook" else "target", ""))
    scheme, _, _ = written.partition(":")
    if kind != "webhook" and scheme.lower() not in WITH_HOST:
        return scheme.lower()
    try:
        parts = urlsplit(written)
        port = parts.port or PORTS.get(parts.scheme.lower())
    except ValueError:  # what a template made of it is no address
        return ""
    host = (parts.hostname or "").lower()
    return f"{host}:{port}" if port else host


def fail(
    known: Receiver | None,
    kind: str,
    name: str,
    error: str,
    now: datetime,
    retry_after: timedelta | None = None,
) -> Receiver:
    """Return a receiver after one more failure: after a few it rests, twice as long each time, and
    at once where it says for how long.

    A call that began before the rest did tells nothing new.
    """
    if known is not None and known.is_resting(now):
        return known
    failures = known.failures + 1 if known else 1
    since = known.failing_since if known else now
    rest = _rest(name, failures)
    if retry_after is not None:
        rest = max(rest, retry_after)
    until = now + rest if rest else None
    return Receiver(kind, name, failures, since, until, error)


def _rest(name: str, failures: int) -> timedelta:
    if failures < PATIENCE:
        return timedelta()
    doubled: int = 2 ** min(failures - PATIENCE, 10)
    rest = min(SHORTEST_REST * doubled, LONGEST_REST)
    share = crc32(f"{name}/{failures}".encode()) / 2**32  # the same each time, and unlike others'
    return rest * (1 + JITTER * share)


def pause_after(attempts: int) -> timedelta:
    """Return how long an effect waits after so many tries and one more."""
    doubled: int = 2 ** min(attempts, 10)
    return min(RETRY_AFTER * doubled, LONGEST_PAUSE)


def is_on_trial(known: Receiver | None) -> bool:
    """Whether one call is to show first that it works again."""
    return known is not None and known.resting_until is not None
