"""Webhooks as Chatwoot sends them: the vendor's shape, every value ours, signed."""

import hmac
import json
from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Any

SECRET = "for tests only"
_delivery = count(1)


def conversation(
    ticket: int, event: str, at: datetime, status: str = "open", previous: str | None = None
) -> dict[str, Any]:
    """A conversation of ana's, as it stands after `event`."""
    changed = [{"status": {"previous_value": previous, "current_value": status}}]
    seconds = at.timestamp()
    return {
        "id": ticket,
        "event": event,
        "status": status,
        "channel": "Channel::WebWidget",
        "messages": [],
        "labels": [],
        "meta": {
            "sender": {
                "id": 31,
                "name": "Ana Alvarez",
                "email": "ana@example.com",
                "identifier": "ana",
                "type": "contact",
            },
            "assignee": {"id": 7, "name": "Agent One", "type": "user"},
        },
        "first_reply_created_at": None,
        "timestamp": int(seconds),
        "created_at": int(seconds),
        "updated_at": seconds,
        "account": {"id": 1, "name": "Shop"},
        **({"changed_attributes": changed} if previous else {}),
    }


def signed(body: bytes, at: datetime, secret: str = SECRET) -> dict[str, str]:
    """The headers of one delivery."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Chatwoot-Timestamp": stamp,
        "X-Chatwoot-Signature": f"sha256={digest}",
        "X-Chatwoot-Delivery": f"delivery-{next(_delivery)}",
    }


def as_bytes(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()
