"""Reads what mailbox providers pass on when somebody calls a mail of ours spam.

Sources, read 2026-11: RFC 5965 (ARF), RFC 6591 (reports of failed authentication, which are about
us), Microsoft's Junk Mail Reporting Program (no ARF, but `X-HmXmrOriginalRecipient`), Apple's
unsubscription by mail (`X-Apple-Unsubscribe`).
"""

import re
from dataclasses import dataclass

from adapters.inbound.addresses import find_address
from adapters.inbound.mime import Fields, Mail, Part, parse_fields, split_mail

COMPLAINTS = ("abuse", "fraud", "opt-out", "opt-out-list", "virus", "other")
REPORT = ("message/feedback-report",)
RETURNED_TYPES = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "text/rfc822-header",
    "message/rfc822-headers",
    "message/global-headers",
)
JMRP = "X-HmXmrOriginalRecipient"
MOST_RECIPIENTS = 50  # of one report; senders of ours have one


@dataclass(frozen=True)
class Feedback:
    """Whom a complaint, or another report of this kind, is from."""

    recipients: tuple[str, ...]  # empty where it hides them
    is_complaint: bool  # not so: word that something is no spam, or failed authentication


def read_feedback(mail: Mail) -> Feedback | None:
    """The complaint or report that `mail` is, None where it is neither."""
    if (report := mail.find(REPORT)) is not None:
        return _read_report(mail, report)
    returned = read_returned_fields(mail)
    # Microsoft puts it on both; ours to begin with it is on nothing that a customer sends
    if JMRP in mail.fields or (returned is not None and JMRP in returned):
        named = mail.fields.get(JMRP) or (returned.get(JMRP) if returned else "")
        return Feedback(_addresses([named]), is_complaint=True)
    if mail.fields.token("X-Apple-Unsubscribe") == "true":
        return Feedback(_addresses([mail.fields.get("From")]), is_complaint=True)
    return None


def read_returned_fields(mail: Mail) -> Fields | None:
    """The fields of the mail of ours that came with a report, None where none came."""
    part = mail.find(RETURNED_TYPES)
    if part is None:
        return None
    return split_mail(part.content())[0]


def _read_report(mail: Mail, report: Part) -> Feedback:
    fields = parse_fields(re.sub(rb"\n[ \t]*(?=\n)", b"", report.content().strip()))
    is_complaint = fields.token("Feedback-Type") in COMPLAINTS
    named = fields.all("Original-Rcpt-To") or fields.all("Removal-Recipient")
    recipients = _addresses(named)
    returned = read_returned_fields(mail)
    if not recipients and returned is not None:
        recipients = _addresses([returned.get("To")])
    return Feedback(recipients, is_complaint)


def _addresses(values: list[str]) -> tuple[str, ...]:
    found = (find_address(value) for value in values[:MOST_RECIPIENTS])
    return tuple(dict.fromkeys(address for address in found if address))
