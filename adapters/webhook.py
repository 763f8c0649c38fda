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
from typing import Any

from adapters.http import NotAnswered, NotSent, post, read_retry_after
from adapters.reach import Reach
from rekindle.errors import ProviderDeferred, ProviderRefused, ProviderUnavailable

GONE = 410  # the receiver wants no more of them
# of the answers below 500 those that are about the receiver, not about what it was told (RFC 9110,
# RFC 8470 and RFC 6585): Request Timeout, Too Early, Too Many Requests
BUSY = frozenset({408, 425, 429})
PREFIX = "whsec_"


def call_webhook(
    url: str,
    told: Mapping[str, Any],
    secret: str,
    *,
    message_id: str,
    now: datetime,
    seconds: float,
    reach: Reach,
) -> None:
    """POST `told` as JSON, all done within `seconds`, to nobody out of `reach`; the same
    `message_id` on every try lets the receiver drop repeats.

    Raises ProviderUnavailable where the receiver does not work, ProviderDeferred where it did not
    take this one call, ProviderRefused where it never will.
    """
    body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Rekindle",
        **signed_headers(body, secret, message_id, now),
    }
    try:
        answer = post(url, body, headers, seconds=seconds, most_bytes=0, reach=reach)
    except NotSent as error:
        raise ProviderUnavailable(f"the webhook could not be reached ({error}).") from error
    except NotAnswered as error:
        raise ProviderUnavailable(f"the webhook did not answer ({error}).") from error
    if answer.is_success:
        return
    if answer.status == GONE:
        raise ProviderRefused("the webhook's receiver says it is gone (410).")
    said = f"the webhook was answered with {answer.status}."
    if answer.status >= 500 or answer.status in BUSY:
        retry_after = read_retry_after(answer.headers, now)
        raise ProviderUnavailable(said, fault="server", retry_after=retry_after)
    raise ProviderDeferred(said)


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
