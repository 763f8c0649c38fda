"""Tells what a raw mail that came back is: a bounce, a complaint, a report, a reply or a machine's.

Sources: RFC 3464 (delivery status), RFC 5965 (feedback reports), RFC 3834 (automatic replies), read
2026-11.
"""

import re
from hashlib import sha256

from adapters.inbound.addresses import find_address
from adapters.inbound.automatic import is_automatic, is_receipt
from adapters.inbound.bounces import REPORT as STATUS_REPORT
from adapters.inbound.bounces import find_failures, is_from_system
from adapters.inbound.complaints import REPORT as FEEDBACK_REPORT
from adapters.inbound.complaints import Feedback, read_feedback, read_returned_fields
from adapters.inbound.failures import Failure
from adapters.inbound.mime import Mail, parse_mail
from adapters.inbound.report_words import DAEMON
from store.records import Returned

REFERENCE = re.compile(r"<([^<>\s]{1,998})>")
RETURNED_ID = re.compile(
    r"^[ \t>]*message-id:[ \t]*<?([^<>\s]{1,998})>?", re.IGNORECASE | re.MULTILINE
)


def read_returned(raw: bytes) -> list[Returned]:
    """What came back and about whom; one entry a recipient, none where nobody is named.

    Raises TooComplex for a mail beyond the bounds of `adapters.inbound.mime`.
    """
    mail = _unwrap(parse_mail(raw))
    mark = sha256(raw).hexdigest()[:32]
    if (feedback := read_feedback(mail)) is not None:
        return _complained(feedback, mark, _returned_id(mail))
    if failures := find_failures(mail):
        reference = _returned_id(mail)
        return [_bounced(failure, mark, reference) for failure in failures]
    sender = find_address(mail.fields.get("From"))
    if not sender:
        return []
    return [Returned(sender, _kind(mail, sender), False, "", mark, _answered(mail))]


def _unwrap(mail: Mail) -> Mail:
    """The report itself where a gateway passes it on as an attachment of its own."""
    wrapped = mail.find(("message/rfc822",))
    if wrapped is None or mail.find((*STATUS_REPORT, *FEEDBACK_REPORT)) or not is_from_system(mail):
        return mail
    inner = parse_mail(wrapped.content())
    return inner if inner.find(STATUS_REPORT) else mail


def _kind(mail: Mail, sender: str) -> str:
    is_report = mail.type == "multipart/report" or DAEMON.search(mail.fields.get("From"))
    if is_report or is_receipt(mail):
        return "report"
    return "auto_reply" if is_automatic(mail, sender) else "reply"


def _bounced(failure: Failure, mark: str, reference: str) -> Returned:
    kind = "bounce" if failure.is_final else "report"
    hard = failure.is_final and failure.is_hard
    said = failure.said if failure.is_final else ""
    return Returned(failure.recipient, kind, hard, failure.status, mark, reference, said)


def _complained(feedback: Feedback, mark: str, reference: str) -> list[Returned]:
    kind = "complaint" if feedback.is_complaint else "report"
    return [
        Returned(recipient, kind, False, "", mark, reference)
        for recipient in feedback.recipients or ("",)
    ]


def _returned_id(mail: Mail) -> str:
    """The Message-ID of ours that came back; the last in the text where no part holds it."""
    if (fields := read_returned_fields(mail)) is not None:
        return fields.get("Message-ID").strip().strip("<>")
    found = [name for part in mail.parts[:2] for name in RETURNED_ID.findall(part.text())]
    return found[-1] if found else ""


def _answered(mail: Mail) -> str:
    """The newest of our mails that it answers."""
    found = REFERENCE.findall(f"{mail.fields.get('References')} {mail.fields.get('In-Reply-To')}")
    return found[-1] if found else ""
