"""What nobody wrote by hand is told from what somebody did, whatever its language and charset."""

import pytest

from adapters.inbound.auto_reply_subjects import AUTOMATIC, CHALLENGES
from adapters.inbound.automatic import CHARSETS
from adapters.inbound.mails import read_returned
from tests.adapters.inbound.mails_made import a_mail, in_words

PHRASES = [(language, phrase) for language, phrases in AUTOMATIC.items() for phrase in phrases]
FIRST = [(language, phrases[0]) for language, phrases in AUTOMATIC.items()]
REPLIES = ("Re: ", "RE: ", "AW: ", "Antw: ", "SV: ", "Odp: ", "Ynt: ", "Cvb: ", "回复: ", "Fwd: ")


def kind_of(raw: bytes) -> str:
    (found,) = read_returned(raw)
    return found.kind


def test_thirty_languages_are_known():
    assert len(AUTOMATIC) >= 30


@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: AUTO-REPLIED (vacation)",
        "Auto-Submitted: (an absence) auto-replied; owner-email=ana@example.com",
        "auto-submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "X-Auto-Response-Suppress: DR, OOF, AutoReply",
        "X-Autoreply: yes",
        "X-Auto-Reply: 1",
        "X-AutoReply-From: ana@example.com",
        "X-Mail-Autoreply: yes",
        "X-Autorespond: away",
        "X-Autoresponder: 1",
        "X-FC-MachineGenerated: true",
        "X-POST-MessageClass: 9; Autoresponder",
        "X-Mailer: vacation 1.2",
        "Delivered-To: Autoresponder",
        "Precedence: auto_reply",
        "Precedence: auto-reply",
        "Precedence: Bulk",
        "Precedence: junk",
        "Precedence: list",
        "X-Precedence: auto_reply",
        "Preference: auto_reply",
        "List-Id: Friends <friends.example.com>",
        "Return-Path: <>",
        "Return-Path: <MAILER-DAEMON>",
        "From: Nobody <no-reply@example.com>",
        "From: Ana <ana@boxbe.com>",
    ],
)
def test_a_machine_is_known_by_its_fields(field: str):
    assert kind_of(a_mail("Subject: Re: Hello", field)) in ("auto_reply", "report")


@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: NO (written by hand)",
        "Auto-Submitted:",
        "X-Auto-Response-Suppress: None",
        "X-Autoreply: no",
        "X-FC-MachineGenerated: false",
        "Precedence: first-class",
        "Precedence: normal",
        "Return-Path: <ana@example.com>",
        "X-Mailer: Apple Mail (2.3445)",
        "Delivered-To: hello@shop.example",
        "List-Unsubscribe: <https://crm.example/u/1>",
        "From: Norah Reply <norah.reply@example.com>",
    ],
)
def test_a_person_is_not_taken_for_a_machine(field: str):
    assert kind_of(a_mail("Subject: Re: Hello", field)) == "reply"


@pytest.mark.parametrize(
    ("answers", "list_id", "kind"),
    [
        ("In-Reply-To: <m1@shop.example>", "<hello.shop.example>", "reply"),
        ("In-Reply-To: <m1@shop.example>", "Hello <HELLO.shop.example>", "reply"),
        ("In-Reply-To: <m1@shop.example>", "<friends.example.com>", "auto_reply"),
        ("X-Other: 1", "<hello.shop.example>", "auto_reply"),
    ],
)
def test_an_answer_to_an_address_that_is_a_groups_is_a_persons(
    answers: str, list_id: str, kind: str
):
    fields = ["To: Shop <hello@shop.example>", f"List-ID: {list_id}", "Precedence: list", answers]

    assert kind_of(a_mail("Subject: Re: Hello", *fields)) == kind
    assert kind_of(a_mail("Auto-Submitted: auto-replied", *fields)) == "auto_reply"


@pytest.mark.parametrize(("language", "phrase"), PHRASES)
def test_a_subject_tells_it_however_it_is_encoded(language: str, phrase: str):
    subjects = [
        phrase,
        f"{phrase}: Hello",
        f"{phrase} : Re: Hello",
        f"[{phrase}] Hello",
        phrase.upper(),
    ]

    kinds = {
        (subject, raw): kind_of(raw)
        for subject in subjects
        for raw in (
            a_mail(in_words(subject, "utf-8")),
            a_mail(f"Subject: {subject}"),
            a_mail(f"subject: =?UTF-8?q?{subject.encode().hex('=', 1).join(('=', ''))}?="),
        )
    }

    assert {key for key, kind in kinds.items() if kind != "auto_reply"} == set()


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_subject_in_raw_bytes_of_any_charset_tells_it(charset: str):
    told = []
    for _, phrase in FIRST:
        try:
            subject = f"{phrase}: x".encode(charset)
        except UnicodeEncodeError:
            continue
        told.append((phrase, kind_of(a_mail(b"Subject: " + subject))))

    assert told
    assert [phrase for phrase, kind in told if kind != "auto_reply"] == []


@pytest.mark.parametrize(("language", "phrase"), PHRASES)
def test_a_reply_to_such_a_subject_is_a_persons(language: str, phrase: str):
    subjects = [f"{reply}{phrase}: Hello" for reply in REPLIES] + [
        f"{phrase}wer and more",  # a word that only begins so
        f"Question on {phrase}",
    ]

    kinds = {subject: kind_of(a_mail(in_words(subject, "utf-8"))) for subject in subjects}

    assert {subject for subject, kind in kinds.items() if kind != "reply"} == set()


@pytest.mark.parametrize(
    "subject",
    [
        "AUTO: Ana is out of the office (returning 5 Jan)",
        "AUTO: Hi",
        "Vacation: Hi",
        "Urlaub: Re: Hi",
        "Absence: Bonjour",
        "Away from my mail Re: Hi",
        "Out of office AW: Hi",
    ],
)
def test_words_that_responders_write_before_the_old_subject_tell_it(subject: str):
    assert kind_of(a_mail(f"Subject: {subject}")) == "auto_reply"


def test_the_word_for_a_car_tells_it_where_it_answers_a_mail():
    answers = "In-Reply-To: <m1@shop.example>"

    assert kind_of(a_mail("Subject: Auto: Hi", answers)) == "auto_reply"
    assert kind_of(a_mail("Subject: Auto: Hi")) == "reply"
    assert kind_of(a_mail("Subject: Re: Auto: Hi", answers)) == "reply"


BY_A_RULE = "X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent"
LOOP = "X-MS-Exchange-Inbox-Rules-Loop: "
POSTMASTER = "Return-Path: <postmaster@eur01.mail.protection.outlook.com>"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ([BY_A_RULE], "auto_reply"),
        ([BY_A_RULE, f"{LOOP}Ana@example.com"], "auto_reply"),
        ([f"{LOOP}ana@example.com", POSTMASTER], "auto_reply"),
        # our own mailbox passes replies on
        ([BY_A_RULE, f"{LOOP}hello@shop.example"], "reply"),
        ([f"{LOOP}hello@shop.example", "Return-Path: <ana@example.com>"], "reply"),
        ([f"{LOOP}hello@shop.example", "Return-Path: <ana@outlook.com>"], "reply"),
    ],
)
def test_what_a_rule_of_a_mailbox_wrote_is_no_persons(fields: list[str], kind: str):
    assert kind_of(a_mail("Subject: Re: Hello", *fields)) == kind


@pytest.mark.parametrize(
    "subject",
    [
        "Out of office chairs?",
        "Urlaub in Spanien",
        "Re: Automatic reply",
        "Re: Urlaub: Hi",
        "Automatic reply never came",
        "Auto: Ersatzteile",
        "Vacation rental, 3 nights",
        "Urlaub an der Ostsee",
        "Abwesenheitsnotizen schreiben",
        "Read this please",
        "Letto: quando arriva?",
        "Lu: order 17",
        "Absence of my parcel",
        "Away from home when it came",
        "OOObject missing",
        "Re: Please confirm your email",
        "Re: [Action required] confirm you are human",
        "Undelivered parcel",
        "Mail order: a question",
        "Returned mail order",
    ],
)
def test_words_that_merely_look_so_are_a_persons(subject: str):
    assert kind_of(a_mail(f"Subject: {subject}")) == "reply"


@pytest.mark.parametrize("challenge", [*CHALLENGES, "About your mail, verify#9q2-1"])
def test_a_challenge_is_no_answer(challenge: str):
    assert kind_of(a_mail(f"Subject: {challenge} …")) == "auto_reply"


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("text/calendar; method=REPLY", "BEGIN:VCALENDAR\nMETHOD:REPLY\n"),
        ("text/calendar", "BEGIN:VCALENDAR\nMETHOD:REPLY\n"),
        ("application/ics", "BEGIN:VCALENDAR\nMETHOD:REPLY\n"),
    ],
)
def test_a_meeting_that_was_answered_is_no_answer_to_us(kind: str, part: str):
    body = f"--b\nContent-Type: {kind}\n\n{part}\n--b--\n"

    raw = a_mail("Subject: Accepted: Hi", "Content-Type: multipart/mixed; boundary=b", body=body)

    assert kind_of(raw) == "auto_reply"


def test_an_invitation_is_written_by_somebody():
    body = "--b\nContent-Type: text/calendar; method=REQUEST\n\nMETHOD:REQUEST\n--b--\n"

    raw = a_mail("Subject: Coffee?", "Content-Type: multipart/mixed; boundary=b", body=body)

    assert kind_of(raw) == "reply"


@pytest.mark.parametrize(
    "kind",
    [
        "disposition-notification", "delivery-status", "feedback-report", "tracking-status",
        "x-unheard-of",
    ],
)  # fmt: skip
def test_a_report_of_any_type_is_never_a_reply(kind: str):
    raw = a_mail("Subject: Hi", f"Content-Type: multipart/report; report-type={kind}; boundary=b")

    assert all(found.kind != "reply" for found in read_returned(raw))


@pytest.mark.parametrize("subject", ["Read: Hi", "Gelesen: Hallo", "Não lida: Oi", "已读: 你好"])
def test_outlooks_own_receipts_are_reports(subject: str):
    assert kind_of(a_mail(f"Subject: {subject}", "Content-Type: application/ms-tnef")) == "report"
