"""Tells what a raw mail that came back is: a bounce, a complaint, a report, a reply or a machine's.

Sources: RFC 3464 (delivery status), RFC 5965 (feedback reports), RFC 3834 (automatic replies), read
2026-11.
"""

import re
from collections.abc import Iterable, Iterator
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from hashlib import sha256

from adapters.inbound.bounces import find_failures
from adapters.inbound.failures import Failure
from rekindle.addresses import canonical
from store.records import Returned

COMPLAINTS = ("abuse", "fraud", "opt-out", "opt-out-list")
DAEMON = re.compile(r"mailer[-_ ]?daemon|postmaster|mail delivery (sub)?system", re.IGNORECASE)
AWAY = re.compile(
    r"^\W*(auto(matic|mated)?[- ]?(reply|response)|out of (the )?office|away (from|until)|vacation"
    r"|abwesen|réponse automatique|respuesta automática|پاسخ خودکار|رد تلقائي)",
    re.IGNORECASE,
)
BULK = ("bulk", "list", "junk", "auto_reply")
ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+")
REFERENCE = re.compile(r"<([^<>\s]+)>")
RETURNED_ID = re.compile(r"^message-id:\s*<?([^<>\s]+)>?", re.IGNORECASE | re.MULTILINE)
OWN_PARTS = ("message/rfc822", "text/rfc822-headers")


def read_returned(raw: bytes) -> list[Returned]:
    """What came back and about whom; one entry a recipient, none where nobody is named."""
    mail = message_from_bytes(raw)
    mark = sha256(raw).hexdigest()[:32]
    if (report := _part(mail, "message/feedback-report")) is not None:
        return list(_feedback(mail, report, mark))
    failures = find_failures(mail)
    if failures and (_part(mail, "message/delivery-status") is not None or is_from_daemon(mail)):
        reference = _returned_id(mail)
        return [_bounced(one, mark, reference) for one in failures]
    sender = _address(_text(mail, "From"))
    if not sender:
        return []
    kind = _kind(mail)
    return [Returned(sender, kind, False, "", mark, _answered(mail))]


def is_from_daemon(mail: Message) -> bool:
    """True for what a mail system wrote, not a person."""
    returns_to = (mail.get("Return-Path") or "x").strip()
    return bool(
        DAEMON.search(_text(mail, "From")) or returns_to == "<>" or mail.get("X-Failed-Recipients")
    )


def _kind(mail: Message) -> str:
    if is_from_daemon(mail):
        return "report"
    submitted = (mail.get("Auto-Submitted") or "no").strip().lower()
    is_machine = (
        submitted.partition(";")[0].strip() != "no"
        or (mail.get("Precedence") or "").strip().lower() in BULK
        or any(name in mail for name in ("X-Autoreply", "X-Autorespond", "List-Id"))
        or AWAY.search(_text(mail, "Subject"))
    )
    return "auto_reply" if is_machine else "reply"


def _bounced(failure: Failure, mark: str, reference: str) -> Returned:
    kind = "bounce" if failure.is_final else "report"
    hard = failure.is_final and failure.is_hard
    return Returned(failure.recipient, kind, hard, failure.status, mark, reference)


def _feedback(mail: Message, report: Message, mark: str) -> Iterator[Returned]:
    fields = _fields(report)
    said = (fields.get("feedback-type") or [""])[0].strip().lower()
    kind = "complaint" if said in COMPLAINTS else "report"
    named = fields.get("original-rcpt-to") or fields.get("removal-recipient") or []
    recipients = [found for one in named if (found := _address(one))]
    original = _part(mail, *OWN_PARTS)
    if not recipients and original is not None:
        recipients = ADDRESS.findall(str(_inner(original).get("To", "")))[:1]
    reference = _returned_id(mail)
    for recipient in recipients or [""]:
        yield Returned(canonical(recipient), kind, False, "", mark, reference)


def _fields(report: Message) -> dict[str, list[str]]:
    """The fields of a feedback report, wherever the parser put them."""
    found: dict[str, list[str]] = {}
    blocks: Iterable[Message] = report.get_payload() if report.is_multipart() else [report]  # type: ignore[assignment]  # a list of parts where it is one
    for block in blocks:
        lines = str(block).splitlines()
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                found.setdefault(name.strip().lower(), []).append(value.strip())
    return found


def _part(mail: Message, *types: str) -> Message | None:
    return next((part for part in mail.walk() if part.get_content_type() in types), None)


def _inner(part: Message) -> Message:
    """The mail inside a message/rfc822, or the headers that stand as text."""
    payload = part.get_payload()
    if isinstance(payload, list) and payload:
        return payload[0] if isinstance(payload[0], Message) else part
    return message_from_bytes(part.get_payload(decode=True) or b"")  # type: ignore[arg-type]  # bytes of a leaf


def _returned_id(mail: Message) -> str:
    """The Message-ID of ours that came back; the last in the text where no part holds it."""
    part = _part(mail, *OWN_PARTS)
    if part is not None:
        return _bare(str(_inner(part).get("Message-ID", "")))
    body = mail.get_payload(decode=True) if not mail.is_multipart() else b""
    found = RETURNED_ID.findall(body.decode("utf-8", "replace") if isinstance(body, bytes) else "")
    return found[-1] if found else ""


def _answered(mail: Message) -> str:
    """The newest of our mails that it answers."""
    said = f"{mail.get('References', '')} {mail.get('In-Reply-To', '')}"
    found = REFERENCE.findall(said)
    return found[-1] if found else ""


def _bare(header_id: str) -> str:
    return header_id.strip().strip("<>")


def _address(said: str) -> str:
    """The mailbox that a header names; the first that it speaks of where it names several."""
    if named := canonical(said):
        return named
    found = ADDRESS.search(said)
    return canonical(found[0]) if found else ""


def _text(mail: Message, name: str) -> str:
    try:
        return str(make_header(decode_header(str(mail.get(name, "")))))
    except (LookupError, UnicodeError, ValueError):  # an unknown charset, or broken words
        return str(mail.get(name, ""))
