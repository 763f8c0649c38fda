"""Recorded webhooks, as the vendor sends them."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.helpdesk.base import RawRequest

PAYLOADS = Path(__file__).parent / "payloads"
CHATWOOT_SECRET = "chatwoot-fixture-secret"


def load_requests(vendor: str) -> dict[str, dict[str, Any]]:
    """Each recorded request of a vendor, with the event it should become."""
    found: dict[str, dict[str, Any]] = json.loads((PAYLOADS / vendor / "requests.json").read_text())
    return found


def recorded(vendor: str, name: str) -> RawRequest:
    """One recorded request, byte for byte."""
    request = load_requests(vendor)[name]
    return RawRequest(
        method=request["method"],
        path=f"/hooks/{vendor}",
        headers={header.lower(): value for header, value in request["headers"].items()},
        body=(PAYLOADS / vendor / request["body_file"]).read_bytes(),
    )


def chatwoot(document: Any, at: datetime, **known: str) -> RawRequest:
    """A webhook of ours in Chatwoot's shape."""
    return signed(json.dumps(document).encode(), at, **known)


def signed(
    body: bytes, at: datetime, *, delivery: str = "ours-1", secret: str = CHATWOOT_SECRET
) -> RawRequest:
    """Any bytes, signed as Chatwoot signs."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "x-chatwoot-timestamp": stamp,
        "x-chatwoot-signature": f"sha256={digest}",
        "x-chatwoot-delivery": delivery,
    }
    return RawRequest("POST", "/hooks/chatwoot", headers, body)


def conversation(event: str, **known: Any) -> dict[str, Any]:
    """A conversation of ours, in the shape of the recorded ones."""
    document: dict[str, Any] = json.loads(
        recorded("chatwoot", "conversation_status_changed.resolved").body
    )
    return {**document, "event": event, "changed_attributes": [], **known}


def message(kind: str, **known: Any) -> dict[str, Any]:
    """A message in such a conversation."""
    return {
        "id": 1,
        "event": "message_created",
        "message_type": kind,
        "private": False,
        "content": "Hello",
        "created_at": "2026-03-02T08:20:00.000Z",
        "conversation": conversation("", status="open"),
        **known,
    }


def with_header(request: RawRequest, name: str, value: str) -> RawRequest:
    return replace(request, headers={**request.headers, name: value})


def stamped_at(request: RawRequest) -> datetime:
    return datetime.fromtimestamp(int(request.headers["x-chatwoot-timestamp"]), UTC)
