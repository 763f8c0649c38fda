"""Segments that cannot be evaluated: they keep their members, and are tried again after a while."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rekindle.logs import get_logger
from store.alarms import FAILED, clear_alarms, raise_alarm
from store.memberships import put_off_checks
from store.passes import Pass, fail_pass
from store.records import CustomerId

log = get_logger()

TRIED_AGAIN_AFTER = timedelta(hours=1)


def fail_segment(
    tx: Connection, segment: str, reason: str, ids: Collection[CustomerId], now: datetime
) -> None:
    """Say so, leave everybody where they are, and look at nobody until it is tried again."""
    log.error("segment.failed", segment=segment, reason=reason)
    words = f"the segment {segment} cannot be evaluated and keeps its members: {reason}"
    raise_alarm(tx, FAILED, segment, words, now)
    fail_pass(tx, segment, reason, now)
    put_off_checks(tx, segment, ids, now + TRIED_AGAIN_AFTER)


def recover_segments(tx: Connection, segments: Collection[str], now: datetime) -> None:
    """Everybody was looked at."""
    clear_alarms(tx, FAILED, segments, now)


def is_tried_again(found: Pass, now: datetime) -> bool:
    return found.failed_at is not None and found.failed_at + TRIED_AGAIN_AFTER <= now
