"""Behaviour × adapter → verdict: what is the message's own fault, and what is not.

Each row is something that a provider was seen to do. Sources of rows: public reports of listmonk
(#164, #1073, #1300, #1518, #2509, #2623, #2683), nodemailer (#475, #511, #699, #700, #1105, #1613),
gophish #1604, zotonic #3508, PHPMailer #2113, sendgrid-nodejs #1032, django-anymail, and what the
providers write of themselves.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from adapters.email import smtp, smtp_session
from adapters.email.base import Channel, EmailAdapter, OutgoingEmail
from adapters.email.sendgrid import SendGrid
from adapters.email.smtp import Smtp
from adapters.email.smtp_session import Timeouts
from adapters.email.track_record import DEFERRED_IN_A_ROW
from rekindle.errors import (
    HandoverUncertain,
    ProviderDeferred,
    ProviderRefused,
    ProviderUnavailable,
    RekindleError,
)
from rekindle.settings import SendGrid as SendGridSettings
from rekindle.settings import Smtp as SmtpSettings
from tests.adapters.email.conftest import an_email
from tests.email_server import (
    DRIP,
    DROP,
    GARBAGE,
    RESET,
    SILENCE,
    Limit,
    Provider,
    SendGridServer,
    SmtpServer,
)

SHORT = Timeouts(session=0.2, envelope=0.2, content=0.2, last_reply=0.2, goodbye=0.1)
LONGEST_SECONDS = 5  # of what lasts 20 and more; the machine may be busy
MIME = (
    b"From: Shop <hello@shop.example.com>\r\nTo: %b\r\nSubject: Hello\r\n"
    b"Message-ID: <%b>\r\n\r\nHello\r\n"
)
SUBJECT = "Only 3 per hour, slow down!"  # as a server would say it


def numbered(number: int, to: str = "", size: int = 0) -> OutgoingEmail:
    recipient = to or f"ana{number}@example{number % 7}.com"
    header_id = f"{number}@shop.example.com"
    mime = MIME % (recipient.encode(), header_id.encode()) + b"and so on\r\n" * (size // 11)
    return an_email(
        message_id=number, header_id=header_id, to=recipient, mime=mime, subject=SUBJECT
    )


OPENED: list[Channel] = []


@pytest.fixture(autouse=True)
def _close_all():
    yield
    while OPENED:
        OPENED.pop().close()


def channel_to(server: Provider, **known: object) -> Channel:
    return opened(adapter_to(server, **known))


def opened(adapter: EmailAdapter) -> Channel:
    """A channel that is closed when the test is over."""
    OPENED.append(adapter.open())
    return OPENED[-1]


def adapter_to(server: Provider, **known: object) -> EmailAdapter:
    """An adapter that is soon impatient where the server is to keep it waiting."""
    is_slow = any(word in (SILENCE, DRIP) for word in (*server.says.values(), server.then))
    if isinstance(server, SendGridServer):
        settings = SendGridSettings.model_validate({"api_key": "SG.secret", "host": server.url})
        return SendGrid(settings, seconds=0.2 if is_slow else 10)
    asked = SmtpSettings.model_validate({"host": "127.0.0.1", "port": server.port, **known})
    return Smtp(asked, timeouts=SHORT if is_slow else Timeouts())


def verdict(channel: Channel, email: OutgoingEmail) -> str:
    """In one word or two: `unavailable rate`, `bounce hard`, `sent` and so on."""
    try:
        channel.send(email, lambda: None)
    except ProviderUnavailable as error:
        return f"unavailable {error.fault}"
    except ProviderDeferred:
        return "deferred"
    except ProviderRefused as error:
        if not error.is_bounce:
            return "refused"
        return "bounce hard" if error.is_hard else "bounce soft"
    except HandoverUncertain:
        return "uncertain"
    return "sent"


SIGNING_IN = {"user": "ana", "password": "secret"}
AUTH = ("PIPELINING", "AUTH PLAIN LOGIN")


@dataclass(frozen=True)
class Row:
    """What an SMTP server does, and what the message before which it does it comes to."""

    name: str
    is_: str
    says: dict[str, str] = field(default_factory=dict)
    offers: tuple[str, ...] = ("PIPELINING",)
    then: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    size: int = 0


SMTP_ROWS = [
    # the session
    Row("closes at once", "unavailable connection", {"greeting": DROP}),
    Row("resets at once", "unavailable connection", {"greeting": RESET}),
    Row("never greets", "unavailable connection", {"greeting": SILENCE}),
    Row("drips its greeting", "unavailable connection", {"greeting": DRIP}),
    Row("is a web server", "unavailable connection", {"greeting": GARBAGE}),
    Row("greets with 250", "unavailable connection", {"greeting": "250 hello"}),
    Row("greets with 354", "unavailable connection", {"greeting": "354 go on"}),
    Row("has no service", "unavailable server", {"greeting": "554 no SMTP service here"}),
    Row("is shutting down", "unavailable server", {"greeting": "421 4.3.2 shutting down"}),
    Row("blocks our IP", "unavailable sender",
        {"greeting": "554 5.7.1 Service unavailable; Client host blocked using zen.spamhaus.org"}),
    Row("is throttling us", "unavailable rate",
        {"greeting": "421 4.7.0 Too many connections from your address"}),
    Row("dies at EHLO", "unavailable connection", {"ehlo": DROP}),
    Row("never answers EHLO", "unavailable connection", {"ehlo": SILENCE}),
    Row("drips at EHLO", "unavailable connection", {"ehlo": DRIP}),
    # TLS
    Row("offers no STARTTLS", "unavailable tls", settings={"tls": "starttls"}),
    Row("refuses STARTTLS", "unavailable tls", {"starttls": "454 4.7.0 TLS not available"},
        ("STARTTLS",), settings={"tls": "starttls"}),
    Row("breaks the handshake", "unavailable tls", {}, ("STARTTLS",),
        settings={"tls": "starttls"}),
    Row("never begins the handshake", "unavailable tls", {"greeting": SILENCE},
        settings={"tls": "tls"}),
    Row("wants TLS first", "unavailable tls",
        {"mail": "530 5.7.0 Must issue a STARTTLS command first"}),
    # AUTH
    Row("knows no such key", "unavailable credentials", {"auth": "535 5.7.8 bad credentials"},
        AUTH, settings=SIGNING_IN),
    Row("has no memory of us now", "unavailable server",
        {"auth": "454 4.7.0 Temporary authentication failure"}, AUTH, settings=SIGNING_IN),
    Row("has no credits left at AUTH", "unavailable quota",
        {"auth": "451 Authentication failed: Maximum credits exceeded"}, AUTH, settings=SIGNING_IN),
    Row("asks for more than PLAIN", "unavailable connection", {"auth": "334 "}, AUTH,
        settings=SIGNING_IN),
    Row("says 250 to AUTH", "unavailable connection", {"auth": "250 ok"}, AUTH,
        settings=SIGNING_IN),
    Row("signs in by XOAUTH2 only", "unavailable credentials", {}, ("AUTH XOAUTH2",),
        settings=SIGNING_IN),
    Row("hangs up at AUTH", "unavailable connection", {"auth": DROP}, AUTH, settings=SIGNING_IN),
    Row("wants us to sign in", "unavailable credentials", {"mail": "530 5.7.0 sign in first"}),
    Row("wants Microsoft's sign-in", "unavailable credentials",
        {"mail": "530 5.7.57 Client not authenticated to send mail"}),
    # how much we send
    Row("421 at MAIL", "unavailable server", {"mail": "421 4.3.2 closing"}),
    Row("too much mail", "unavailable rate",
        {"mail": "450 4.7.1 Error: too much mail from 1.2.3.4"}),
    Row("too many requests", "unavailable rate",
        {"rcpt": "450 Too many requests. Try again later."}),
    Row("transmit rate", "unavailable rate",
        {"rcpt": "450 4.7.0 Transmit rate limit exceeded, try again later"}),
    Row("SES's rate", "unavailable rate",
        {"end": "454 Throttling failure: Maximum sending rate exceeded."}),
    Row("SES's day", "unavailable quota",
        {"end": "454 Throttling failure: Daily message quota exceeded."}),
    Row("Gmail's day", "unavailable quota",
        {"end": "550 5.4.5 Daily user sending limit exceeded."}),
    Row("Plesk's hour", "unavailable quota",
        {"end": "554 5.7.0 The limit on the number of messages is exceeded. Try again later"}),
    Row("SendGrid's month", "unavailable quota",
        {"rcpt": "451 You've exceeded your messaging limits"}),
    Row("Microsoft's tenant", "unavailable quota",
        {"end": "550 5.7.705 Access denied, tenant has exceeded threshold"}),
    Row("Yahoo's volume", "unavailable rate",
        {"mail": "421 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume"}),
    # who we are
    Row("denies relay", "unavailable sender", {"rcpt": "554 5.7.1 <a@b.c>: Relay access denied"}),
    Row("denies relay with 5.1.1", "unavailable sender",
        {"rcpt": "553 5.1.1 Relaying disallowed"}),
    Row("does not know our domain", "unavailable sender",
        {"rcpt": "450 4.1.8 <x@y.z>: Sender address rejected: Domain not found"}),
    Row("does not like our address", "unavailable sender", {"mail": "550 not you"}),
    Row("DMARC", "unavailable sender",
        {"end": "550 5.7.26 Unauthenticated email is not accepted due to domain's DMARC policy"}),
    Row("Outlook's rules", "unavailable sender",
        {"end": "550 5.7.515 Access denied, sending domain does not meet the required level"}),
    Row("no reverse DNS", "unavailable sender",
        {"end": "550 5.7.25 The IP address sending this message does not have a PTR record"}),
    Row("SES's sandbox", "unavailable sender",
        {"end": "554 Message rejected: Email address is not verified."}),
    Row("account suspended", "unavailable sender",
        {"end": "554 Message rejected: Sending suspended for this account."}),
    # the server
    Row("disk full", "unavailable server", {"mail": "452 4.3.1 Insufficient system storage"}),
    Row("lookup fails", "unavailable server",
        {"rcpt": "451 4.3.0 <a@b.c>: Temporary lookup failure"}),
    Row("lost its memory", "unavailable server", {"data": "503 5.5.1 need MAIL first"}),
    # this message
    Row("greylists", "deferred",
        {"rcpt": "450 4.2.0 <a@b.c>: Recipient address rejected: Greylisted"}),
    Row("greylists tersely", "deferred", {"end": "451 4.7.1 Try again later"}),
    Row("recipient receives too much", "deferred",
        {"rcpt": "450 4.2.1 The user you are trying to contact is receiving mail at a rate"}),
    Row("mailbox full for now", "deferred", {"rcpt": "452 4.2.2 over quota"}),
    Row("domain cannot be found now", "deferred",
        {"rcpt": "450 4.1.2 <a@b.c>: Recipient address rejected: Domain not found"}),
    Row("defers the content", "deferred", {"end": "451 4.6.0 cannot be scanned now"}),
    Row("nobody there", "bounce hard", {"rcpt": "550 5.1.1 <a@b.c>: User unknown"}),
    Row("nobody there, after the content", "bounce hard",
        {"end": "550 5.1.1 The email account that you tried to reach does not exist"}),
    Row("nobody there, without a status", "bounce hard", {"rcpt": "550 No such user here"}),
    Row("mailbox full", "bounce soft", {"rcpt": "552 5.2.2 Mailbox full"}),
    Row("recipient's own policy", "bounce soft",
        {"rcpt": "550 5.7.1 <a@b.c>: Recipient address rejected: policy"}),
    Row("too big", "refused", {"end": "552 5.3.4 Message size exceeds fixed limit"}),
    Row("nobody there, whatever the address is", "bounce hard",
        {"rcpt": "550 5.1.10 RESOLVER.ADR.RecipientNotFound; daily-limit@contoso.com not found"}),
    Row("too many errors about the address", "deferred",
        {"rcpt": "450 4.1.1 unverified address: too many errors"}),
    Row("too many messages in the mailbox", "deferred",
        {"rcpt": "452 4.2.1 too many messages in mailbox"}),
    Row("too many parts", "refused", {"end": "554 5.6.0 Too many MIME parts"}),
    Row("repeats the subject", "refused", {"end": "554 rejected: Only 3 per hour, slow down!"}),
    Row("too big at MAIL", "refused", {"mail": "552 5.3.4 message size limit"}),
    Row("spam", "refused", {"end": "554 5.7.1 Spam message rejected"}),
    Row("content denied", "refused", {"end": "550 Mail content denied"}),
    # nonsense where an answer was due
    Row("250 to DATA", "unavailable connection", {"data": "250 ok"}),
    Row("354 to MAIL", "unavailable connection", {"mail": "354 go on"}),
    Row("garbage to RCPT", "unavailable connection", {"rcpt": GARBAGE}),
    Row("hangs up at MAIL", "unavailable connection", {"mail": DROP}),
    Row("hangs up at DATA", "unavailable connection", {"data": DROP}),
    Row("silent at RCPT", "unavailable connection", {"rcpt": SILENCE}),
    Row("drips at RCPT", "unavailable connection", {"rcpt": DRIP}),
    Row("hangs up in the content", "unavailable connection", {"content": DROP}, size=20_000_000),
    # after the last byte
    Row("hangs up without taking it", "uncertain", {"end": DROP}),
    Row("took it and hangs up", "uncertain", then=DROP),
    Row("took it and resets", "uncertain", then=RESET),
    Row("took it and says nothing", "uncertain", then=SILENCE),
    Row("took it and drips", "uncertain", then=DRIP),
    Row("took it and says garbage", "uncertain", then=GARBAGE),
    Row("354 to the end", "uncertain", {"end": "354 go on"}),
    Row("says yes", "sent"),
]  # fmt: skip


@pytest.mark.parametrize("offers", ["pipelined", "stepwise"])
@pytest.mark.parametrize("row", SMTP_ROWS, ids=lambda row: row.name)
def test_what_an_smtp_server_does_means(row, offers):
    has = tuple(one for one in row.offers if offers == "pipelined" or one != "PIPELINING")
    with SmtpServer(row.says, offers=has, then=row.then) as server:
        channel = channel_to(server, **row.settings)
        started = time.monotonic()

        assert verdict(channel, numbered(1, size=row.size)) == row.is_
        assert time.monotonic() - started < LONGEST_SECONDS
        if row.settings.get("tls") == "starttls":
            assert not any(command.startswith(("AUTH", "MAIL")) for command in server.commands)


def said(message: str, field_: str | None = None) -> str:
    written = f'"{field_}"' if field_ else "null"
    return f'{{"errors": [{{"message": "{message}", "field": {written}, "help": null}}]}}'


@dataclass(frozen=True)
class ApiRow:
    """What the API does, and what the message comes to."""

    name: str
    is_: str
    says: dict[str, str] = field(default_factory=dict)
    then: str | None = None


API_ROWS = [
    ApiRow("hangs up before reading", "unavailable connection", {"request": DROP}),
    ApiRow("wrong key", "unavailable credentials",
           {"answer": "401 " + said("The provided authorization grant is invalid")}),
    ApiRow("no credits", "unavailable quota",
           {"answer": "401 " + said("Maximum credits exceeded")}),
    ApiRow("no scope", "unavailable credentials", {"answer": "403 " + said("access forbidden")}),
    ApiRow("sender not verified", "unavailable sender",
           {"answer": "403 " + said("The from address does not match a verified Sender Identity",
                                    "from")}),
    ApiRow("blocked for a while", "unavailable rate",
           {"answer": "403 " + said("Too many bad requests. Temporary block")}),
    ApiRow("rate", "unavailable rate", {"answer": "429 " + said("too many requests")}),
    ApiRow("server error", "unavailable server", {"answer": "500 <html>oops"}),
    ApiRow("not available", "unavailable server", {"answer": "503 "}),
    ApiRow("moved", "unavailable server", {"answer": "302 "}),
    ApiRow("no scope for an address like any other", "unavailable credentials",
           {"answer": "403 " + said("access forbidden for max.credits@rate.limit-from.com")}),
    ApiRow("no such path", "unavailable connection", {"answer": "404 "}),
    ApiRow("captive portal", "unavailable connection", {"answer": "407 "}),
    ApiRow("recipient is no address", "bounce hard",
           {"answer": "400 " + said("Does not contain a valid address.",
                                    "personalizations.0.to.0.email")}),
    ApiRow("our address is none", "unavailable sender",
           {"answer": "400 " + said("The from email does not contain a valid address.",
                                    "from.email")}),
    ApiRow("content is empty", "refused",
           {"answer": "400 " + said("The content value must be a string", "content.0.value")}),
    ApiRow("bad request without a word", "refused", {"answer": "400 "}),
    ApiRow("too large", "refused", {"answer": "413 "}),
    ApiRow("hangs up without taking it", "uncertain", {"answer": DROP}),
    ApiRow("took it and hangs up", "uncertain", then=DROP),
    ApiRow("took it and resets", "uncertain", then=RESET),
    ApiRow("took it and says nothing", "uncertain", then=SILENCE),
    ApiRow("took it and drips", "uncertain", then=DRIP),
    ApiRow("took it and says garbage", "uncertain", then=GARBAGE),
    ApiRow("says yes", "sent"),
    ApiRow("sandbox says yes", "sent", {"answer": "200 "}),
]  # fmt: skip


@pytest.mark.parametrize("row", API_ROWS, ids=lambda row: row.name)
def test_what_sendgrid_does_means(row):
    with SendGridServer(row.says, then=row.then) as server:
        channel = channel_to(server)
        started = time.monotonic()

        expected = {row.is_}
        if "request" in row.says:  # whether the request had left is a matter of microseconds
            expected.add("uncertain")
        assert verdict(channel, numbered(1)) in expected
        assert time.monotonic() - started < LONGEST_SECONDS
        assert set(server.paths) <= {"/v3/mail/send"}


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "30"}, timedelta(seconds=30)),
        ({"X-RateLimit-Reset": "4102444800"}, timedelta(days=1)),
        ({}, None),
    ],
)
def test_how_long_sendgrid_asks_to_be_left_alone_is_told(headers, wait):
    with (
        SendGridServer({"answer": "429 "}, headers=headers) as server,
        pytest.raises(ProviderUnavailable) as caught,
    ):
        channel_to(server).send(numbered(1), lambda: None)

    assert caught.value.retry_after == wait


@pytest.mark.parametrize(
    ("reply", "wait"),
    [
        ("421 4.7.0 too many messages, try again in 5 minutes", timedelta(minutes=5)),
        ("450 4.7.1 rate limit exceeded, retry after 90 seconds", timedelta(seconds=90)),
        ("450 4.7.1 rate limit exceeded", None),
    ],
)
def test_how_long_a_server_asks_to_be_left_alone_is_told(reply, wait):
    with SmtpServer({"mail": reply}) as server, pytest.raises(ProviderUnavailable) as caught:
        channel_to(server).send(numbered(1), lambda: None)

    assert caught.value.retry_after == wait


@pytest.mark.parametrize(
    "server",
    [
        SmtpServer({"rcpt": "550 5.1.1 <ana1@example1.com>: User unknown"}),
        SmtpServer({"rcpt": "554 5.7.1 <ana1@example1.com>: Relay access denied"}),
        SendGridServer({"answer": "400 " + said("ana1@example1.com is no address")}),
    ],
    ids=["refused", "unavailable", "sendgrid"],
)
def test_what_is_told_of_an_answer_bears_no_address(server):
    with server, pytest.raises(RekindleError) as caught:
        channel_to(server).send(numbered(1), lambda: None)

    assert "(address)" in str(caught.value)
    assert "ana1@" not in str(caught.value)


ENDS = ["421 4.7.0 Too many messages for this session", DROP, RESET, "451 4.7.0 session limit"]


@pytest.mark.parametrize("offers", [("PIPELINING",), ()], ids=["pipelined", "stepwise"])
@pytest.mark.parametrize("at_limit", ENDS)
def test_a_relay_that_takes_five_a_connection_gets_them_all(at_limit, offers):
    with SmtpServer(per_connection=5, at_limit=at_limit, offers=offers) as server:
        channel = channel_to(server)

        assert [verdict(channel, numbered(number)) for number in range(100)] == ["sent"] * 100
        assert (len(server.accepted), server.connections, server.doubled) == (100, 20, set())


def test_a_thousand_messages_go_over_two_hundred_connections():
    with SmtpServer(per_connection=5) as server:
        adapter = adapter_to(server)
        with ThreadPoolExecutor(4) as executor:
            verdicts = list(executor.map(lambda part: _send_all(opened(adapter), part), range(4)))

        assert verdicts == [["sent"] * 250] * 4
        assert (len(server.accepted), server.doubled) == (1000, set())
        assert 200 <= server.connections <= 204


def _send_all(channel: Channel, part: int) -> list[str]:
    return [verdict(channel, numbered(part * 250 + number)) for number in range(250)]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_server_that_allows_fewer_connections_is_served_over_those(most):
    with SmtpServer(most_connections=most) as server:
        adapter = adapter_to(server)
        with ThreadPoolExecutor(4) as executor:
            verdicts = list(executor.map(lambda part: _send_all(opened(adapter), part), range(4)))

        assert verdicts == [["sent"] * 250] * 4
        assert server.doubled == set()


def test_a_connection_that_was_idle_too_long_is_not_trusted(monkeypatch):
    monkeypatch.setattr(smtp_session, "LONGEST_IDLE_SECONDS", 0.0)
    with SmtpServer() as server:
        channel = channel_to(server)

        assert [verdict(channel, numbered(number)) for number in range(3)] == ["sent"] * 3
        assert server.connections == 3


def test_a_limit_a_minute_by_its_own_clock_takes_what_it_says():
    now = [datetime(2026, 11, 30, 12, tzinfo=UTC)]
    limit = Limit(3, timedelta(minutes=1), lambda: now[0], "451 4.7.0 rate limit exceeded")
    with SmtpServer({"mail": limit}) as server:
        channel = channel_to(server)
        first = [verdict(channel, numbered(number)) for number in range(4)]
        now[0] += timedelta(minutes=1)

        assert first == ["sent"] * 3 + ["unavailable rate"]
        assert verdict(channel, numbered(3)) == "sent"


def test_the_message_at_which_a_server_fails_each_time_does_not_keep_the_others():
    def at(recipient: str) -> str | None:
        return DROP if recipient == "poison@example.com" else None

    with SmtpServer({"rcpt": at}) as server:
        channel = channel_to(server)
        poison, other = numbered(1, "poison@example.com"), numbered(2)

        assert verdict(channel, poison) == "unavailable connection"
        assert verdict(channel, poison) == "deferred"
        assert verdict(channel, other) == "sent"
        assert verdict(channel, poison) == "deferred"


@pytest.mark.parametrize(
    "poison",
    [
        "450 4.7.0 Transmit rate limit exceeded",
        "550 5.4.5 Daily user sending limit exceeded",
        "530 5.7.0 Must issue a STARTTLS command first",
        "530 5.7.57 Client not authenticated to send mail",
        "554 5.7.1 Relay access denied",
        "451 4.3.0 Temporary lookup failure",
    ],
)
def test_what_is_said_of_the_account_at_one_message_only_is_that_message_s(poison):
    with SmtpServer({"rcpt": lambda to: poison if to.startswith("poison") else None}) as server:
        channel = channel_to(server)
        verdicts = []
        for number in range(3):
            verdicts.append(verdict(channel, numbered(100, "poison@example.com")))
            assert verdict(channel, numbered(number)) == "sent"

    assert verdicts[0].startswith("unavailable")
    assert verdicts[-1] == "deferred"


@pytest.mark.parametrize(
    ("says", "is_"),
    [
        ({"greeting": DROP}, "unavailable connection"),
        ({"mail": "450 4.7.0 Transmit rate limit exceeded"}, "unavailable rate"),
        ({"end": "550 5.4.5 Daily user sending limit exceeded."}, "unavailable quota"),
    ],
    ids=["connection", "rate", "quota"],
)
def test_an_outage_is_not_laid_at_the_door_of_the_first_in_the_queue(says, is_):
    with SmtpServer(says) as server:
        channel = channel_to(server)

        verdicts = {verdict(channel, numbered(1)) for _ in range(5)}

    assert verdicts == {is_}


def test_where_the_second_message_fails_as_well_it_is_the_provider():
    with SmtpServer({"rcpt": DROP}) as server:
        channel = channel_to(server)

        verdicts = [verdict(channel, numbered(number)) for number in (1, 1, 2, 2, 2, 1, 1)]

    assert verdicts.count("deferred") == 1
    assert set(verdicts) == {"unavailable connection", "deferred"}


@pytest.mark.parametrize(
    "server",
    [
        SmtpServer({"rcpt": "450 4.2.0 greylisted"}),
        SmtpServer({"end": "451 4.7.1 Try again later"}),
    ],
    ids=["greylisted", "later"],
)
def test_a_server_that_puts_off_everybody_is_in_trouble_itself(server):
    with server:
        channel = channel_to(server)

        verdicts = [verdict(channel, numbered(number)) for number in range(DEFERRED_IN_A_ROW)]

    assert verdicts == ["deferred"] * (DEFERRED_IN_A_ROW - 1) + ["unavailable rate"]


def test_recipients_at_one_domain_that_are_put_off_say_nothing_of_the_others():
    with SmtpServer(
        {"rcpt": lambda to: "450 4.2.0 greylisted" if "slow" in to else None}
    ) as server:
        channel = channel_to(server)

        verdicts = {verdict(channel, numbered(number, "a@slow.example")) for number in range(50)}

        assert verdicts == {"deferred"}
        assert verdict(channel, numbered(50)) == "sent"


@pytest.mark.parametrize("server", [SmtpServer(then=DROP), SendGridServer(then=DROP)])
def test_a_provider_that_never_answers_is_not_given_the_whole_queue(server):
    with server:
        channel = channel_to(server)

        verdicts = [verdict(channel, numbered(number)) for number in range(6)]

    assert verdicts == ["uncertain", "uncertain", "unavailable server"] * 2
    assert len(server.accepted) == 4


def test_a_verdict_stands_though_the_server_hangs_up_after_it():
    with SmtpServer(
        {"rcpt": "550 5.1.1 User unknown", "data": DROP}, offers=("PIPELINING",)
    ) as server:
        assert verdict(channel_to(server), numbered(1)) == "bounce hard"


def test_no_message_waits_for_a_channel_that_was_dropped(monkeypatch):
    monkeypatch.setattr(smtp, "CONNECTIONS", 1)
    answered = threading.Event()

    def first_then_all(_to: str) -> str | None:
        if answered.is_set():
            return None
        answered.set()
        return "421 4.3.2 closing"

    with SmtpServer({"mail": first_then_all}) as server:
        channel = channel_to(server)

        assert verdict(channel, numbered(1)) == "unavailable server"
        assert verdict(channel, numbered(1)) == "sent"
