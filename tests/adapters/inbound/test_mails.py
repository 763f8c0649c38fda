"""What a mail that came back is: every real one of the shared set, and our own of each kind."""

import json
import re
from pathlib import Path
from textwrap import dedent

import pytest

from adapters.inbound.failures import judge
from adapters.inbound.mails import read_returned
from store.records import Returned

KINDS = {"feedback": "complaint", "vacation": "auto_reply"}  # every other reason is a bounce
PSEUDO = re.compile(r"\.9\d\d$")  # the set's own codes where no server gave one
# where we hold otherwise than the collector: what Gmail calls disabled takes no mail again
HARD_HERE = {"rhost-google-01.eml"}
RETURNED = Path(__file__).parent / "returned"


def test_every_real_mail_is_what_its_collector_says(shared: Path):
    folder = shared / "fixtures/bounces"
    cases = json.loads((folder / "expected.json").read_text())["cases"]

    found = {name: read_returned((folder / name).read_bytes()) for name in cases}

    assert {name: [(one.kind, one.hard, one.status) for one in found[name]] for name in cases} == {
        name: [
            (
                KINDS.get(one["reason"], "bounce"),
                one["hardbounce"] or name in HARD_HERE,
                "" if PSEUDO.search(one["dsn"]) else one["dsn"],
            )
            for one in expected
        ]
        for name, expected in cases.items()
    }
    bounces = [one for items in found.values() for one in items if one.kind == "bounce"]
    assert all("@" in one.recipient for one in bounces)


@pytest.mark.parametrize(
    ("status", "said", "hard"),
    [
        ("5.1.1", "smtp; 550 5.1.1 User unknown", True),
        ("4.1.1", "smtp; 450 4.1.1 Greylisted, try again", False),
        ("5.2.2", "smtp; 552 5.2.2 Over quota", False),
        ("5.7.1", "smtp; 550 5.7.1 message refused as spam, user unknown to you", False),
        ("5.1.8", "smtp; 553 5.1.8 Domain of sender address does not exist", False),
        ("5.0.0", "smtp; 550 #5.1.1 no such user here", True),
        ("", "host not found", True),
        ("", "user unknown", False),
    ],
)
def test_only_an_address_that_is_no_more_fails_hard(status: str, said: str, hard: bool):
    assert judge("a@example.com", status, said).is_hard is hard


@pytest.mark.parametrize(
    ("name", "recipient", "kind", "hard", "status"),
    [
        ("r8-jmrp", "a@example.net", "complaint", False, ""),
        ("r9-30_ooo_de_nohdr", "a@example.net", "auto_reply", False, ""),
        ("r9-41_fa", "a@example.net", "auto_reply", False, ""),
        ("r9-53_read_receipt", "a@example.net", "report", False, ""),
        ("r9-54_challenge", "a@example.net", "auto_reply", False, ""),
        ("r10-02_no_type", "a@example.net", "bounce", True, "5.1.1"),
        ("r10-03_utf8", "a@example.net", "bounce", True, "5.1.1"),
        ("r10-10_m365_541", "a@example.net", "bounce", True, "5.4.1"),
    ],
)
def test_mails_of_the_field(name: str, recipient: str, kind: str, hard: bool, status: str):
    (found,) = read_returned((RETURNED / f"{name}.eml").read_bytes())

    assert (found.recipient, found.kind, found.hard, found.status) == (
        recipient,
        kind,
        hard,
        status,
    )


def mail(text: str) -> list[Returned]:
    return read_returned(dedent(text).lstrip().replace("\n", "\r\n").encode())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("From: Ana <ana@example.com>\nSubject: Re: Hello\n\nThanks", "reply"),
        ("From: ana@example.com\nSubject: Automatic reply: Hello\n\nAway", "auto_reply"),
        ("From: ana@example.com\nAuto-Submitted: auto-replied\n\nAway", "auto_reply"),
        ("From: list@example.com\nPrecedence: bulk\n\nNews", "auto_reply"),
        ("From: postmaster@example.com\nSubject: Weekly figures\n\nAll is well", "report"),
    ],
)
def test_people_and_machines_are_told_apart(text: str, kind: str):
    assert [one.kind for one in mail(text)] == [kind]


def test_a_reply_names_the_mail_that_it_answers():
    (found,) = mail("From: ana@example.com\nReferences: <a@x> <b@x>\nIn-Reply-To: <b@x>\n\nYes")

    assert (found.recipient, found.header_id) == ("ana@example.com", "b@x")


def test_a_mail_that_is_still_being_tried_is_a_report():
    (found,) = mail("""
        From: MAILER-DAEMON@example.com
        Content-Type: multipart/report; report-type=delivery-status; boundary=x

        --x
        Content-Type: message/delivery-status

        Reporting-MTA: dns; mx.example.com

        Final-Recipient: rfc822; ana@example.com
        Action: delayed
        Status: 4.4.1

        --x--
        """)

    assert (found.kind, found.hard) == ("report", False)


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe\x00", b"From: \n\n", b"Content-Type: multipart/x\n"]
)
def test_what_is_no_mail_says_nothing_and_breaks_nothing(raw: bytes):
    assert read_returned(raw) == []
