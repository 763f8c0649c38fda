"""Reads SendGrid's Event Webhook; reference read 2026-11. Their word to ours is a table."""

import json
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader

from adapters.email.replies import without_addresses
from adapters.email.sendgrid import MESSAGE_ID
from rekindle.addresses import canonical
from rekindle.errors import Malformed, WebhookNotGenuine
from store.records import Report

SIGNED_FOR = timedelta(hours=26)  # SendGrid tries for 24 hours, perhaps with the first stamp
KINDS = {
    "delivered": "delivered",
    "bounce": "bounced",
    "spamreport": "complained",
    "dropped": "refused",
    "open": "opened",
    "click": "clicked",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}
SUPPRESSIONS = {
    "spamreport": "complaint",
    "unsubscribe": "unsubscribe",
    "group_unsubscribe": "unsubscribe",
}
DROPPED = {
    "bounced address": "hard_bounce",
    "spam reporting address": "complaint",
    "unsubscribed address": "unsubscribe",
}
KEPT = ("type", "status", "reason", "response", "bounce_classification", "url", "asm_group_id")
SAID = ("reason", "response")  # a server's words, which may quote addresses
LONGEST = 500
MILLISECONDS_FROM = 100_000_000_000  # as seconds this would be the year 5138
LARGEST_ID = 2**63 - 1


def verify_reports(key: str, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Raises WebhookNotGenuine; the signature is over the stamp and the body's very bytes."""
    stamp = headers.get(EventWebhookHeader.TIMESTAMP, "")
    signature = headers.get(EventWebhookHeader.SIGNATURE, "")
    if not key:
        raise WebhookNotGenuine("no key is set under sendgrid.webhook_public_key.")
    try:
        is_genuine = EventWebhook(key).verify_signature(body.decode(), signature, stamp)
        age = abs(datetime.fromtimestamp(int(stamp), UTC) - now)
    except (ValueError, OverflowError, OSError, NotBase64) as error:
        raise WebhookNotGenuine("the key or the signature cannot be read.") from error
    if not is_genuine:
        raise WebhookNotGenuine("the signature does not fit the body.")
    if age > SIGNED_FOR:
        raise WebhookNotGenuine("this was signed too long ago, or by a wrong clock.")


def read_reports(body: bytes, now: datetime) -> tuple[list[Report], int]:
    """The reports we have a word for, and how many could not be read. Raises Malformed."""
    try:
        items = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("the body is not JSON.") from error
    if not isinstance(items, list):
        raise Malformed("the body is not a list of events.")
    reports, unread = [], 0
    for item in items:
        try:
            if item["event"] in KINDS:
                reports.append(_report(item, now))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError):
            unread += 1
    return reports, unread


def _report(item: Mapping[str, Any], now: datetime) -> Report:
    word = item["event"]
    return Report(
        mark=f"sendgrid:{_mark(item)}",
        kind=KINDS[word],
        address=canonical(_clean(item["email"])),
        occurred_at=min(_instant(item["timestamp"]), now),
        message_id=_our_id(item.get(MESSAGE_ID)),
        provider_message_id=_clean(item.get("sg_message_id", "")).partition(".")[0],
        is_machine=item.get("sg_machine_open") in (True, "true"),
        suppression=_suppression(word, item),
        details=_details(word, item),
    )


def _mark(item: Mapping[str, Any]) -> str:
    """Test posts may lack an id: then the content is known again."""
    given = _clean(item.get("sg_event_id") or "")
    return given or sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:32]


def _instant(given: Any) -> datetime:
    number = float(given)
    return datetime.fromtimestamp(number / 1000 if number > MILLISECONDS_FROM else number, UTC)


def _our_id(given: Any) -> int | None:
    text = str(given)
    is_id = text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST_ID
    return int(text) if is_id else None


def _suppression(word: str, item: Mapping[str, Any]) -> str:
    match word:
        case "bounce":
            return "hard_bounce" if _is_hard(item) else ""
        case "dropped":
            return DROPPED.get(str(item.get("reason", "")).strip().lower(), "")
        case _:
            return SUPPRESSIONS.get(word, "")


def _is_hard(item: Mapping[str, Any]) -> bool:
    return bool(item.get("type", "bounce") == "bounce")


def _details(word: str, item: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: _clean(item[name]) for name in KEPT if item.get(name) not in (None, "")}
    kept |= {name: without_addresses(kept[name]) for name in SAID if name in kept}
    return {**kept, "hard": _is_hard(item)} if word == "bounce" else kept


def _clean(value: Any) -> str:
    """Text that every database takes: no NUL, no half of a character, of bounded length."""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "")[:LONGEST]
