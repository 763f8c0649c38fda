"""Tells the rest of the engine what became of messages: delivery events, events, and woken
enrollments.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert

from store.enrollments import wake_enrollments
from store.intake import OwnEvent, record_own_events
from store.messages import Sending, attempts_of, let_go
from store.records import NOBODY, Message
from store.tables import delivery_events
from workers.counts import Counts

FIRST_RETRY = timedelta(minutes=1)
LAST_RETRY = timedelta(hours=6)
MOST_ATTEMPTS = 12  # about a day and a half of trying


@dataclass(frozen=True)
class Told:
    """A message and how it ended for now: sent, refused or uncertain."""

    message: Message
    status: str
    reason: str = ""


def settle(
    tx: Connection, batch: Sequence[Message], results: Sequence[Sending], now: datetime
) -> Counts:
    """Write the results of a batch, let its claims go and tell everybody whom they concern."""
    attempts = attempts_of(tx, [one.message_id for one in results])
    final = [_retried(one, attempts.get(one.message_id, 0), now) for one in results]
    let_go(tx, final)
    by_id = {one.id: one for one in batch}
    told = [
        Told(by_id[one.message_id], one.status, one.reason)
        for one in final
        if one.status != "queued"
    ]
    tell(tx, told, now)
    return Counts(
        sent=sum(one.status == "sent" for one in final),
        refused=sum(one.status == "refused" for one in final),
        uncertain=sum(one.status == "uncertain" for one in final),
        held=sum(one.status == "queued" for one in final),
    )


def _retried(result: Sending, attempts: int, now: datetime) -> Sending:
    """One that is to be tried again gets its instant, later each time; after the last try it is
    refused.
    """
    if result.status != "queued":
        return result
    if attempts + 1 >= MOST_ATTEMPTS:
        return replace(
            result, status="refused", reason=f"gave up after {MOST_ATTEMPTS} tries: {result.reason}"
        )
    pause = min(FIRST_RETRY * 2**attempts, LAST_RETRY)
    return replace(result, due_at=now + pause)


def tell(tx: Connection, told: Sequence[Told], now: datetime) -> None:
    """Keep delivery events, tell customers' timelines, wake the enrollments that wait for an
    outcome.
    """
    if not told:
        return
    tx.execute(
        insert(delivery_events),
        [
            {
                "message_id": one.message.id,
                "kind": one.status,
                "occurred_at": now,
                "known_at": now,
                "provider_event_id": None,
                "is_machine": False,
                "details": {"reason": one.reason} if one.reason else {},
            }
            for one in told
        ],
    )
    ours = [one for one in told if one.message.customer_id != NOBODY]
    record_own_events(
        tx, [_event(one, now) for one in ours if one.status in ("sent", "refused")], now
    )
    ids = [one.message.enrollment_id for one in told if one.message.enrollment_id is not None]
    wake_enrollments(tx, ids, now)


def _event(told: Told, now: datetime) -> OwnEvent:
    message = told.message
    properties = {"message": message.id, "template": message.template, "topic": message.topic}
    if message.survey:
        properties["survey"] = message.survey
    if told.reason:
        properties["reason"] = told.reason
    name = f"message.{told.status}"
    return OwnEvent(
        message.customer_id, name, now, f"message:{message.id}:{told.status}", properties
    )
