"""SendGrid's v3 Mail Send through its official client; reference read 2026-11."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.client import HTTPException
from json import JSONDecodeError, loads
from pathlib import Path
from typing import Any
from urllib.error import URLError

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from adapters.email.base import BeforeLastByte, OutgoingEmail, ProviderMessageId
from rekindle.addresses import parse_named
from rekindle.errors import (
    HandoverUncertain,
    NotAnAddress,
    ProviderRefused,
    ProviderUnavailable,
    Unsupported,
)
from rekindle.settings import SendGrid as SendGridSettings
from rekindle.settings import Settings

HOST = "https://api.sendgrid.com"
SECONDS = 30.0  # the client has no timeout of its own
CONNECTIONS = 8
MESSAGE_ID = "rekindle_message_id"  # among custom_args, which come back flattened beside their keys
# not about the mail but about the key, the address or the hour: the same mail may go later
TRY_LATER = frozenset({401, 403, 404, 405, 408, 429})
RESERVED = frozenset({
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type",
    "content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc",
})  # fmt: skip
# our own links, pixel and unsubscribe page: SendGrid's would come on top of them
TRACKING = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
}


@dataclass(frozen=True)
class SendGrid:
    """SendGrid, as configured. It knows no idempotency key."""

    settings: SendGridSettings
    seconds: float = SECONDS
    name: str = "sendgrid"
    is_idempotent: bool = False
    connections: int = CONNECTIONS

    def open(self) -> "SendGridChannel":
        key = self.settings.api_key.get_secret_value()
        client = SendGridAPIClient(api_key=key, host=self.settings.host or HOST)
        client.client.timeout = self.seconds
        return SendGridChannel(client)


@dataclass(frozen=True)
class SendGridChannel:
    client: Any = field(repr=False)  # untyped, and it holds the key

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        """The id is SendGrid's X-Message-Id, with which its own message ids begin."""
        body = request_body(email)
        before_last_byte()
        try:
            response = self.client.client.mail.send.post(request_body=body)
        except HTTPError as error:
            raise _refusal(error) from error
        except URLError as error:  # raised before the request had left whole
            raise ProviderUnavailable(f"SendGrid is out of reach: {error.reason}.") from error
        except (OSError, HTTPException) as error:
            raise HandoverUncertain(f"SendGrid did not answer: {error}.") from error
        return ProviderMessageId(response.headers.get("X-Message-Id", ""))

    def close(self) -> None:
        """The client keeps no connection."""


def request_body(email: OutgoingEmail) -> dict[str, Any]:
    """The mail as Mail Send takes it. Raises Unsupported for what it cannot express."""
    contents = {"text/plain": email.text, "text/html": email.html}
    if not any(contents.values()):
        contents = _contents(email.mime)
    if not email.subject or not any(contents.values()):
        raise Unsupported("SendGrid takes no mail without a subject or without content.")
    body = {
        "personalizations": [{"to": [_person(email.to)]}],
        "from": _person(email.sender),
        "subject": email.subject,
        "content": [{"type": type_, "value": value} for type_, value in contents.items() if value],
        "headers": _headers(email),
        "custom_args": {MESSAGE_ID: str(email.message_id)},
        "tracking_settings": TRACKING,
    }
    return {**body, "reply_to": _person(email.reply_to)} if email.reply_to else body


def _contents(mime: bytes) -> dict[str, str]:
    """The parts of a mail of which only the bytes are left."""
    message = message_from_bytes(mime, policy=policy.default)
    return {part.get_content_type(): part.get_content() for part in message.iter_parts()}


def _headers(email: OutgoingEmail) -> dict[str, str]:
    headers = {"Message-ID": f"<{email.header_id.strip('<>')}>", **dict(email.headers)}
    if taken := sorted(name for name in headers if name.lower() in RESERVED):
        raise Unsupported(f"SendGrid writes the header {taken[0]} itself.")
    return headers


def _person(written: str) -> dict[str, str]:
    try:
        name, mailbox = parse_named(written)
    except NotAnAddress as error:
        raise Unsupported(str(error)) from error
    address = mailbox.deliverable
    return {"email": address, "name": name} if name else {"email": address}


def _refusal(error: HTTPError) -> ProviderRefused | ProviderUnavailable:
    sentence = f"SendGrid said {error.status_code}: {_messages(error.body)}"
    if error.status_code >= 500 or error.status_code in TRY_LATER:
        return ProviderUnavailable(sentence)
    return ProviderRefused(sentence)


def _messages(body: bytes) -> str:
    """What the API says is wrong, as `{"errors": [{message, field}]}`."""
    try:
        errors = loads(body).get("errors", [])
    except (JSONDecodeError, UnicodeDecodeError, AttributeError):
        return "without a reason."
    told = [_message(one) for one in errors if isinstance(one, Mapping)]
    return " ".join(told)[:500] or "without a reason."


def _message(error: Mapping[str, Any]) -> str:
    field_ = f" ({error['field']})" if error.get("field") else ""
    return f"{error.get('message', 'no message')}{field_}"


def adapter(settings: Settings, outbox: Path) -> SendGrid:
    return SendGrid(settings.sendgrid)
