"""Whom a report says a mail did not reach, in whatever form it comes."""

import pytest

from adapters.inbound.failures import judge
from adapters.inbound.mails import read_returned
from tests.adapters.inbound.mails_made import a_failure, a_mail, a_report

ANA = "ana@example.com"


def told(raw: bytes) -> list[tuple[str, str, bool, str]]:
    """What was read: recipient, kind, whether the address is no more, the mail it is about."""
    return [(one.recipient, one.kind, one.hard, one.header_id) for one in read_returned(raw)]


def unix(raw: bytes) -> str:
    return raw.decode().replace("\r\n", "\n")


GONE = [(ANA, "bounce", True, "m1@shop.example")]


@pytest.mark.parametrize(
    "recipient",
    [
        "rfc822; ana@example.com",
        "RFC822;ana@example.com",
        "rfc822; <ana@example.com>",
        "<ana@example.com>",
        "ana@example.com",
        "rfc822; Ana <Ana@Example.COM>",
        "utf-8; ana@example.com",
        "utf-8; ana@ex\\x{61}mple.com",
        "smtp;ana@example.com",
        'rfc822; "ana"@example.com',
        "=?utf-8?q?ana?=@example.com",
    ],
)
def test_an_address_is_read_with_and_without_its_type(recipient: str):
    assert told(a_report(a_failure(recipient))) == GONE


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("utf-8; zoë@bücher.example", "zoë@xn--bcher-kva.example"),
        ("utf-8; zo\\x{EB}@b\\x{FC}cher.example", "zoë@xn--bcher-kva.example"),
        ("rfc822; zoe@xn--bcher-kva.example", "zoe@xn--bcher-kva.example"),
        ("utf-8; zoe@faß.example", "zoe@xn--fa-hia.example"),
    ],
)
def test_addresses_outside_ascii_are_one_mailbox(written: str, canonical: str):
    raw = a_report(a_failure(written), kind="message/global-delivery-status")

    assert [found.recipient for found in read_returned(raw)] == [canonical]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: b"\r\n\r\n" + raw,
        lambda raw: b"  \r\n" + raw,
        lambda raw: b"From MAILER-DAEMON Mon Sep 20 19:29:27 2021\r\n" + raw,
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw.replace(b"\r\n", b"\n"),
        lambda raw: raw.replace(b"\r\n", b"\r"),
        lambda raw: raw.replace(b"--b--", b""),
        lambda raw: raw.replace(b"Status: 5.1.1\r\n", b"Status: 5.1.1 (gone)\r\n\r\n"),
        lambda raw: raw.replace(b"Action: failed", b"\r\n\r\nAction: failed"),
        lambda raw: raw.replace(b"message/delivery-status", b"message/global-delivery-status"),
        lambda raw: raw.replace(b"message/delivery-status", b"MESSAGE/Delivery-Status; name=x.txt"),
        lambda raw: raw.replace(b"message/rfc822", b"text/rfc822-headers"),
        lambda raw: raw.replace(b"message/rfc822", b"message/global-headers"),
        lambda raw: raw.replace(b"multipart/report; report-type=delivery-status", b"multipart/x"),
        lambda raw: raw.replace(b"MAILER-DAEMON@mx.example.net", b"ana@example.net"),
        lambda raw: raw.replace(b"<MAILER-DAEMON@mx.example.net>", b"<>"),
        lambda raw: b"Auto-Submitted: auto-replied\r\n" + raw,
        lambda raw: a_mail(
            "From: Postmaster <postmaster@gate.example>",
            "Content-Type: multipart/mixed; boundary=o",
            body=f"--o\nContent-Type: message/rfc822\n\n{unix(raw)}\n--o--\n",
        ),
    ],
)  # fmt: skip
def test_a_report_is_read_however_it_was_handled(change):
    raw = change(a_report(a_failure(f"rfc822; {ANA}")))

    assert told(raw) == GONE


def test_several_recipients_are_told_apart_with_and_without_empty_lines():
    blocks = [
        a_failure(f"rfc822; {ANA}", "5.1.1", "550 5.1.1 user unknown"),
        a_failure("rfc822; bea@example.com", "5.2.2", "552 5.2.2 mailbox full"),
        a_failure("rfc822; cem@example.com", "4.4.1", action="delayed"),
    ]

    apart, together = a_report(*blocks), a_report("\n".join(blocks))

    assert [found[:3] for found in told(apart)] == [
        (ANA, "bounce", True),
        ("bea@example.com", "bounce", False),
        ("cem@example.com", "report", False),
    ]
    assert told(together) == told(apart)


def test_a_gateways_field_tells_where_the_standard_one_is_missing():
    code = "550 5.4.1 Recipient address rejected: Access denied"

    raw = a_report(
        f"{a_failure(f'rfc822; {ANA}', '5.0.0')}\nX-Supplementary-Info: <mx #5.0.0 smtp; {code}>"
    )

    assert told(raw) == GONE


def test_a_report_that_names_nobody_is_about_the_mail_that_came_with_it():
    assert told(a_report("Action: failed\nStatus: 5.1.1")) == GONE


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_what_did_not_fail_is_only_a_report(action: str):
    ((_, kind, hard, _),) = told(a_report(a_failure(f"rfc822; {ANA}", "4.4.1", action=action)))

    assert (kind, hard) == ("report", False)


@pytest.mark.parametrize(
    ("subject", "words", "hard"),
    [
        ("failure notice", "<ana@example.com>:\n550 5.1.1 no such user\n", True),
        ("Mail delivery failed", "  ana@example.com\n    host mx: 550 5.1.1 user unknown\n", True),
        ("Undeliverable mail", "Unknown user: ana@example.com\n", True),
        ("Delivery failure", "To: ana@example.com\nError: mailbox full\n", False),
        ("Undeliverable", "Your mail to ana@example.com did not arrive: over quota\n", False),
        ("=?utf-8?b?6YCA5L+h?=", "ana@example.com:\n用户不存在 550 5.1.1\n", True),
    ],
)
def test_plain_words_are_read(subject: str, words: str, hard: bool):
    raw = a_mail(
        "From: MAILER-DAEMON@mx.example.net",
        f"Subject: {subject}",
        body=f"Sorry.\n\n{words}\n--- Below this line is a copy of the message.\n\n"
        "Message-ID: <m1@shop.example>\nTo: ana@example.com\n",
    )

    assert told(raw) == [(ANA, "bounce", hard, "m1@shop.example")]


def test_words_that_name_nobody_are_about_the_mail_below_them():
    raw = a_mail(
        "From: Postmaster <postmaster@example.com>",
        "Subject: Undeliverable",
        body="Not delivered: error.\n\nOriginal Message:\nFrom: x@shop.example\n"
        "To: ana@example.com\nMessage-ID: <m1@shop.example>\n",
    )

    assert told(raw) == [(ANA, "bounce", False, "m1@shop.example")]


@pytest.mark.parametrize(
    ("status", "said", "hard"),
    [
        # Microsoft 365: the address is in no directory; elsewhere "Access denied" is policy
        ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied. [prod.outlook.com]", True),
        ("5.4.1", "550 5.4.1 [ana@example.com]: Recipient address rejected:\n Access denied", True),
        ("5.7.1", "554 5.7.1 <ana@example.com>: Recipient address rejected: Access denied", False),
        ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found by SMTP lookup", True),
        ("5.5.0", "550 Requested action not taken: mailbox unavailable (S2017062302)", True),
        ("", "mx1.hotmail.com [1.2.3]: 550 Requested action not taken: mailbox unavailable", True),
        ("", "550 Requested action not taken: mailbox unavailable", False),
        # Gmail
        ("5.2.1", "550-5.2.1 The email account that you tried to reach is disabled.", True),
        ("5.2.1", "550-5.2.1 The email account that you tried to reach is inactive.", True),
        ("4.2.1", "450 4.2.1 The user you try to contact is receiving mail too quickly", False),
        ("5.2.1", "550 5.2.1 receiving mail at a rate that prevents additional messages", False),
        ("4.0.0", "DNS Error: lookup responded with NXDOMAIN Domain name not found: x", True),
        # no mail at all (RFC 7505); of the sender's domain it is about us
        ("5.1.10", "556 5.1.10 Recipient address has null MX", True),
        ("5.1.0", "Domain example.com does not accept mail (nullMX)", True),
        ("", "an MX or SRV record indicated no SMTP service", True),
        ("5.7.27", "550 5.7.27 Sender address has null MX", False),
        # a server's name says nothing
        ("5.2.1", "host mx.spam-policy.example said: 550 5.2.1 no such mailbox", True),
        # about us, whatever the code beside it
        ("5.1.1", "550 5.7.1 IP address blacklisted by recipient", False),
        ("5.1.3", "553 http://www.spamhaus.org/query/bl?ip=192.0.2.1", False),
        ("5.1.7", "550 5.1.7 No such domain shop.example", False),
        ("5.1.8", "553 5.1.8 Domain of sender address does not exist", False),
        ("", "SMTP error after MAIL FROM:<x@shop.example>: 550 no such domain", False),
        ("5.6.0", "550 5.6.0 <ana@example.com>: Recipient address rejected: Media error", False),
        ("5.1.1", "550 5.1.1 Refused due to recipient preferences", False),
        # taken at first, refused by its content
        ("5.0.0", "550 Unknown user ana@example.com (in reply to end of DATA command)", False),
        ("5.0.0", "550 ana@example.com... User unknown", True),
        ("5.0.0", "550 : User unknown", False),
        ("", "Name service error: Host not found, try again", False),
        ("5.0.0", "554 group may not exist, or you may not have permission", False),
    ],
)  # fmt: skip
def test_how_final_a_refusal_is(status: str, said: str, hard: bool):
    assert judge(ANA, status, said).is_hard is hard


def test_a_persons_words_on_a_failure_are_a_reply():
    raw = a_mail("Subject: Re: Undelivered Mail", body="bea@example.com\n550 5.1.1 user unknown\n")

    assert told(raw) == [(ANA, "reply", False, "")]
