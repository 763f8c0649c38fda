"""SendGrid's v3 Mail Send through its official client; reference read 2026-11.

Sources: twilio.com/docs/sendgrid/api-reference, "Errors", "Responses" and "Rate limits";
support.sendgrid.com, "4XX API errors and troubleshooting suggestions".
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import Message
from json import JSONDecodeError, loads
from pathlib import Path
from re import IGNORECASE
from re import compile as pattern
from typing import Any
from urllib.request import Request

from python_http_client.client import Client
from sendgrid import SendGridAPIClient

from adapters.email.base import BeforeLastByte, OutgoingEmail, ProviderMessageId
from adapters.email.replies import THE_RECIPIENT, own_words, without_addresses
from adapters.email.track_record import JudgedChannel, TrackRecord, TransactionFailed
from adapters.http import (
    CutOff,
    HttpAnswer,
    NotAnswered,
    NotSent,
    answered_at,
    read_retry_after,
    send_request,
    wait_of,
)
from adapters.inbound.failures import judge
from rekindle.addresses import parse_named
from rekindle.clock import wall_now
from rekindle.errors import (
    HandoverUncertain,
    NotAnAddress,
    ProviderFault,
    ProviderRefused,
    ProviderUnavailable,
    Unsupported,
)
from rekindle.settings import SendGrid as SendGridSettings
from rekindle.settings import Settings

# the client writes requests there, key and recipient included, where everything is logged
logging.getLogger("python_http_client").setLevel(logging.WARNING)

HOST = "https://api.sendgrid.com"
SECONDS = 30.0  # for a request as a whole; the client has no timeout of its own
CONNECTIONS = 8
MESSAGE_ID = "rekindle_message_id"  # among custom_args, which come back flattened beside their keys
ABOUT_THE_MESSAGE = frozenset({400, 413, 422})
USED_UP = pattern(r"credits|(limit|quota) (is |has been )?(exceeded|reached)", IGNORECASE)
ABOUT_SENDER = pattern(r"from address|sender identit|verified", IGNORECASE)
ABOUT_RATE = pattern(r"too many|temporar\w+ block|rate limit", IGNORECASE)
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


@dataclass
class SendGrid:
    """SendGrid, as configured. It knows no idempotency key."""

    settings: SendGridSettings
    seconds: float = SECONDS
    name: str = "sendgrid"
    is_idempotent: bool = False
    connections: int = CONNECTIONS

    def __post_init__(self) -> None:
        self._record = TrackRecord()

    def open(self) -> JudgedChannel:
        key = self.settings.api_key.get_secret_value()
        api = SendGridAPIClient(api_key=key, host=self.settings.host or HOST)
        theirs = api.client
        client = _Client(theirs.host, theirs.request_headers, version=3, timeout=self.seconds)
        return JudgedChannel(SendGridChannel(client), self._record)


class _Client(Client):  # type: ignore[misc]  # it has no types
    """The official client, with a deadline for the whole request and without redirects."""

    def _build_client(self, name: str | None = None) -> "_Client":
        path = [*self._url_path, name] if name else self._url_path
        return _Client(self.host, self.request_headers, self._version, path, timeout=self.timeout)

    def _make_request(
        self, opener: object, request: Request, timeout: float | None = None
    ) -> "_Response":
        return _Response(send_request(request, timeout or self.timeout))


@dataclass(frozen=True)
class _Response:
    """An answer as the client reads it."""

    answer: HttpAnswer

    def getcode(self) -> int:
        return self.answer.status

    def read(self) -> bytes:
        return self.answer.body

    def info(self) -> Message:
        return self.answer.headers


@dataclass(frozen=True)
class SendGridChannel:
    client: Any = field(repr=False)  # untyped, and it holds the key

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        """The id is SendGrid's X-Message-Id, with which its own message ids begin."""
        body = request_body(email)
        before_last_byte()
        try:
            response = self.client.mail.send.post(request_body=body)
        except CutOff as error:
            raise TransactionFailed(f"SendGrid did not take the request: {error}.") from error
        except NotSent as error:
            raise ProviderUnavailable(f"SendGrid is out of reach: {error}.") from error
        except NotAnswered as error:
            raise HandoverUncertain(f"SendGrid did not answer: {error}.") from error
        answer = HttpAnswer(response.status_code, response.headers, response.body)
        if not answer.is_success:
            raise refusal(answer, email.to, wall_now())
        return ProviderMessageId(str(answer.headers.get("X-Message-Id", ""))[:200])

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


@dataclass(frozen=True)
class ApiError:
    """One thing that the API says is wrong."""

    message: str
    field: str  # of the request, empty where it is not about one

    def __str__(self) -> str:
        return f"{self.message} ({self.field})" if self.field else self.message


def refusal(
    answer: HttpAnswer, recipient: str, now: datetime
) -> ProviderUnavailable | ProviderRefused:
    """Return the error that says what an answer other than 2xx means."""
    errors = _errors(answer.body)
    words = " ".join(str(error) for error in errors)[:500]
    said = f"SendGrid said {answer.status}: {without_addresses(words) or 'without a reason.'}"
    wait = _wait(answer, now)
    if answer.status in ABOUT_THE_MESSAGE:
        is_ours = any(error.field.startswith(("from", "reply_to")) for error in errors)
        if is_ours and answer.status != 413:
            return TransactionFailed(said, fault="sender", retry_after=wait)
        return _about_the_message(said, errors, recipient)
    if answer.status in (401, 402, 403, 429):
        known = _fault(answer.status, own_words(words, recipient))
        if known == "sender":  # the address that this message is from, perhaps
            return TransactionFailed(said, fault=known, retry_after=wait)
        return ProviderUnavailable(said, fault=known, retry_after=wait)
    fault: ProviderFault = "server" if answer.status >= 500 or answer.status < 400 else "connection"
    return TransactionFailed(said, fault=fault, retry_after=wait)


def _fault(status: int, words: str) -> ProviderFault:
    """What keeps the account from sending: 401 is also said of used-up credits, 403 of senders."""
    if USED_UP.search(words) or status == 402:
        return "quota"
    if status == 429 or ABOUT_RATE.search(words):
        return "rate"
    return "sender" if ABOUT_SENDER.search(words) else "credentials"


def _about_the_message(said: str, errors: Sequence[ApiError], recipient: str) -> ProviderRefused:
    wrong = [error for error in errors if error.field.startswith("personalizations")]
    if not any(".to" in error.field for error in wrong):
        return ProviderRefused(said)
    # 5.1.3: bad destination mailbox address syntax, the only thing the API checks here
    failure = judge(THE_RECIPIENT, "5.1.3", own_words(said, recipient))
    return ProviderRefused(said, status=failure.status, is_bounce=True, is_hard=failure.is_hard)


def _wait(answer: HttpAnswer, now: datetime) -> timedelta | None:
    """How long they ask to be left alone; X-RateLimit-Reset is in seconds since 1970."""
    asked = read_retry_after(answer.headers, now)
    reset = str(answer.headers.get("X-RateLimit-Reset", ""))
    if asked is None and answer.status == 429 and reset.isascii() and reset.isdigit():
        began = answered_at(answer.headers, now)
        return wait_of(float(reset[:12]) - began.timestamp())
    return asked


def _errors(body: bytes) -> list[ApiError]:
    """What the API says is wrong, as `{"errors": [{message, field}]}`."""
    try:
        errors = loads(body).get("errors", [])
    except (JSONDecodeError, UnicodeDecodeError, AttributeError, RecursionError):
        return []
    if not isinstance(errors, list):
        return []
    return [
        ApiError(str(error.get("message") or "no message"), str(error.get("field") or ""))
        for error in errors
        if isinstance(error, Mapping)
    ]


def adapter(settings: Settings, outbox: Path) -> SendGrid:
    return SendGrid(settings.sendgrid)
