"""Tells the rest of the engine what became of messages: delivery events, events, and woken
enrollments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert

from journeys.definition import SERVICE
from rekindle.durations import write_duration
from rekindle.settings import Settings
from store.claims import Claimed, let_go, lock_claimed
from store.enrollments import wake_enrollments
from store.given_up import GAVE_UP
from store.intake import OwnEvent, record_own_events
from store.messages import Sending
from store.records import NOBODY, Message, MessageId, Report
from store.reports import record_reports
from store.tables import delivery_events
from workers.counts import Counts
from workers.giving_up import tell_given_up

FIRST_RETRY = timedelta(minutes=1)
LAST_RETRY = timedelta(hours=6)
MOST_DOUBLINGS = 10


@dataclass(frozen=True)
class Told:
    """A message and how it ended for now: sent, refused or uncertain."""

    message: Message
    status: str
    reason: str = ""


@dataclass(frozen=True)
class Rules:
    """What decides whether a mail is tried again."""

    settings: Settings
    is_idempotent: bool  # handed over twice, a mail arrives once

    def may_repeat(self, topic: str) -> bool:
        """Whether a mail that may have arrived is sent again, as the same bytes under its
        Message-ID: service mail rather twice than never, marketing never.
        """
        return self.is_idempotent or topic == SERVICE


def settle(
    tx: Connection,
    claim: str,
    batch: Mapping[MessageId, Message],
    results: Sequence[Sending],
    now: datetime,
    rules: Rules,
) -> Counts:
    """Write results, let their claims go and tell everybody whom they concern.

    What is not held under `claim` any more is somebody else's to tell, and what a report has said
    meanwhile stays.
    """
    ours = lock_claimed(tx, [one.message_id for one in results], claim)
    final = [
        decide(one, ours[one.message_id], now, rules) for one in results if one.message_id in ours
    ]
    let_go(tx, [_as_row(one, batch[one.message_id], now) for one in final], claim)
    news = [one for one in final if ours[one.message_id].is_open or one.status == "sent"]
    bounced = [one for one in news if one.status == "bounced"]
    told = [
        Told(batch[one.message_id], one.status, one.reason)
        for one in news
        if one.status not in ("queued", "bounced")
    ]
    tell(tx, told, now)
    record_reports(tx, [_report(one, ours[one.message_id], now) for one in bounced], now)
    if given_up := [batch[one.message_id] for one in news if one.is_given_up]:
        tell_given_up(tx, given_up, now)
    return Counts(
        sent=sum(one.status == "sent" for one in final),
        refused=sum(one.status in ("refused", "bounced") for one in final),
        uncertain=sum(one.status == "uncertain" for one in final),
        held=sum(one.status == "queued" for one in final),
    )


def decide(result: Sending, mail: Claimed, now: datetime, rules: Rules) -> Sending:
    """What follows from one attempt: a mail that is to be tried again gets its instant, later each
    time. One that was put off for too long is given up.
    """
    is_repeated = result.status == "uncertain" and rules.may_repeat(mail.topic)
    if result.status != "queued" and not is_repeated:
        return replace(result, due_at=None)
    since = mail.deferred_at or now
    ends_at = since + rules.settings.patience_for(mail.topic)
    if now >= ends_at:
        return _given_up(result, ends_at - since)
    pause = min(FIRST_RETRY * 2 ** min(mail.attempts, MOST_DOUBLINGS), LAST_RETRY)
    due_at = result.due_at or min(now + pause, ends_at)
    return replace(result, status="queued", due_at=due_at, deferred_at=since)


def _given_up(result: Sending, after: timedelta) -> Sending:
    """A mail that may have arrived is not called refused."""
    if result.status == "uncertain":
        return replace(result, due_at=None)
    reason = f"{GAVE_UP} {write_duration(after)}: {result.reason}"
    return replace(result, status="refused", reason=reason, is_given_up=True)


def _as_row(result: Sending, message: Message, now: datetime) -> Sending:
    """A bounce was sent and came back at once; the report of it says the rest."""
    if result.status != "bounced":
        return result
    status = "refused" if message.customer_id == NOBODY else "sent"
    return replace(result, status=status, sent_at=now)


def _report(result: Sending, mail: Claimed, now: datetime) -> Report:
    """What a server says in the dialogue, as if it had come back later."""
    return Report(
        mark=f"dialogue:{mail.id}:{mail.attempts}",
        kind="bounced",
        address=mail.address.lower(),
        occurred_at=now,
        message_id=mail.id,
        suppression="hard_bounce" if result.is_hard else "",
        details={"hard": result.is_hard, "status": result.code, "reason": result.reason},
    )


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
