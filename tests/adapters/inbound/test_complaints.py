"""Who called a mail of ours spam, in whatever form their provider says so."""

import pytest

from adapters.inbound.mails import read_returned
from tests.adapters.inbound.mails_made import a_mail

RETURNED = "To: {to}\nMessage-ID: <m1@shop.example>\nSubject: Hi\n"


def a_feedback(fields: str, to: str = "ana@example.com") -> bytes:
    """A report of the form of RFC 5965."""
    return a_mail(
        "From: feedback@isp.example",
        "Subject: FW: Hi",
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b",
        body=f"--b\n\nAn abuse report.\n--b\nContent-Type: message/feedback-report\n\n{fields}\n"
        f"--b\nContent-Type: message/rfc822\n\n{RETURNED.format(to=to)}\n--b--\n",
    )


def told(raw: bytes) -> list[tuple[str, str, str]]:
    return [(found.recipient, found.kind, found.header_id) for found in read_returned(raw)]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("abuse", "complaint"),
        ("Abuse", "complaint"),
        ("abuse (spam)", "complaint"),
        ("fraud", "complaint"),
        ("opt-out", "complaint"),
        ("opt-out-list", "complaint"),
        ("not-spam", "report"),
        ("auth-failure", "report"),
        ("unheard-of", "report"),
    ],
)
def test_only_what_asks_for_silence_is_a_complaint(said: str, kind: str):
    raw = a_feedback(f"Feedback-Type: {said}\nVersion: 1\nOriginal-Rcpt-To: ana@example.com")

    assert told(raw) == [("ana@example.com", kind, "m1@shop.example")]


@pytest.mark.parametrize(
    ("fields", "to", "recipients"),
    [
        ("Original-Rcpt-To: <ana@example.com>", "x@y.example", ["ana@example.com"]),
        ("Original-Rcpt-To: rfc822; Ana@Example.com", "x@y.example", ["ana@example.com"]),
        ("Removal-Recipient: ana@example.com", "x@y.example", ["ana@example.com"]),
        ("Original-Rcpt-To: a@b.cc\nOriginal-Rcpt-To: c@d.ee", "", ["a@b.cc", "c@d.ee"]),
        ("Original-Rcpt-To: a@b.example\nOriginal-Rcpt-To: a@b.example", "", ["a@b.example"]),
        ("\n\nOriginal-Rcpt-To: ana@example.com", "", ["ana@example.com"]),
        ("Source-IP: 192.0.2.1", "Ana <ana@example.com>", ["ana@example.com"]),
        ("Source-IP: 192.0.2.1", "undisclosed-recipients:;", [""]),
        ("Original-Rcpt-To: redacted", "", [""]),
    ],
)  # fmt: skip
def test_whom_it_is_from(fields: str, to: str, recipients: list[str]):
    raw = a_feedback(f"Feedback-Type: abuse\n{fields}", to)

    assert told(raw) == [(name, "complaint", "m1@shop.example") for name in recipients]


@pytest.mark.parametrize("on_top", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_microsofts_have_a_field_of_their_own(on_top: bool, inside: bool):
    field = "X-HmXmrOriginalRecipient: Ana@Example.com"
    raw = a_mail(
        "From: staff@hotmail.com",
        "Subject: complaint about message from 192.0.2.1",
        *([field] if on_top else []),
        "Content-Type: multipart/mixed; boundary=b",
        body="--b\nContent-Type: message/rfc822\n\n"
        + (f"{field}\n" if inside else "")
        + RETURNED.format(to="ana@example.com")
        + "\n--b--\n",
    )

    expected = [("ana@example.com", "complaint", "m1@shop.example")] if on_top or inside else []
    assert [found for found in told(raw) if found[1] == "complaint"] == expected


def test_apple_unsubscribes_by_mail():
    raw = a_mail("Subject: Unsubscribe", "X-Apple-Unsubscribe: true")

    assert told(raw) == [("ana@example.com", "complaint", "")]
