"""Tells another system, signed as Standard Webhooks do. Source: its specification 1.0.0, read 2026.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from rekindle.errors import ProviderRefused, ProviderUnavailable

TIMEOUT_SECONDS = 15
GONE = 410  # the receiver wants no more of them
PREFIX = "whsec_"


class _NoRedirects(HTTPRedirectHandler):
    """What was signed for one address is not carried to another."""

    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


_opener: OpenerDirector = build_opener(_NoRedirects)


def call_webhook(
    url: str, told: Mapping[str, Any], secret: str, *, message_id: str, now: datetime
) -> None:
    """POST `told` as JSON; the same `message_id` on every try lets the receiver drop repeats.

    Raises ProviderUnavailable for whatever may go well later, ProviderRefused for what never will.
    """
    body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Rekindle",
        **signed_headers(body, secret, message_id, now),
    }
    request = Request(url, data=body, headers=headers, method="POST")  # http(s) only
    try:
        with _opener.open(request, timeout=TIMEOUT_SECONDS):
            return
    except HTTPError as error:
        error.close()
        if error.code == GONE:
            raise ProviderRefused("the webhook's receiver says it is gone (410).") from error
        raise ProviderUnavailable(f"the webhook was answered with {error.code}.") from error
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = type(getattr(error, "reason", error)).__name__
        raise ProviderUnavailable(f"the webhook could not be reached ({reason}).") from error


def signed_headers(body: bytes, secret: str, message_id: str, now: datetime) -> dict[str, str]:
    """Id, time and signature: HMAC-SHA256 of `id.timestamp.body`."""
    stamp = str(int(now.timestamp()))
    signed = b".".join((message_id.encode(), stamp.encode(), body))
    mark = base64.b64encode(hmac.digest(_key(secret), signed, sha256)).decode()
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": stamp,
        "Webhook-Signature": f"v1,{mark}",
    }


def _key(secret: str) -> bytes:
    """The bytes of `whsec_` and base64; any other secret is taken as it is written."""
    try:
        if secret.startswith(PREFIX):
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        pass
    return secret.encode()
