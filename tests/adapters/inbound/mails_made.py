"""Builders of mails that came back."""

from email.header import Header


def a_mail(*fields: str | bytes, body: str = "Words.\n") -> bytes:
    """A mail to us with these fields; from Ana unless they say otherwise."""
    lines = [field if isinstance(field, bytes) else field.encode() for field in fields]
    if not any(line.lower().startswith(b"from:") for line in lines):
        lines.insert(0, b"From: Ana <ana@example.com>")
    return b"\r\n".join([*lines, b"", body.replace("\n", "\r\n").encode()])


def in_words(subject: str, charset: str) -> str:
    """A Subject field in encoded words (RFC 2047)."""
    return f"Subject: {Header(subject, charset).encode()}"


def a_report(
    *blocks: str,
    kind: str = "message/delivery-status",
    words: str = "Your mail was not delivered.",
    returned: str = "To: ana@example.com\nMessage-ID: <m1@shop.example>\nSubject: Hi\n",
) -> bytes:
    """A report of failed delivery with a block of fields for each recipient."""
    text = "\n".join(
        [
            "From: Mail Delivery System <MAILER-DAEMON@mx.example.net>",
            "To: bounces@shop.example",
            "Subject: Undelivered Mail Returned to Sender",
            "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
            "",
            "--b",
            "",
            words,
            "--b",
            f"Content-Type: {kind}",
            "",
            "Reporting-MTA: dns; mx.example.net",
            *(f"\n{block}" for block in blocks),
            "",
            "--b",
            "Content-Type: message/rfc822",
            "",
            returned,
            "--b--",
            "",
        ]
    )
    return text.replace("\n", "\r\n").encode()


def a_failure(recipient: str, status: str = "5.1.1", said: str = "", action: str = "failed") -> str:
    """The fields of a report on one recipient."""
    code = f"\nDiagnostic-Code: smtp; {said}" if said else ""
    return f"Final-Recipient: {recipient}\nAction: {action}\nStatus: {status}{code}"
