"""The SMTP client against a real server, and against one that misbehaves as told."""

import time
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from adapters.email.smtp import Smtp, stuffed
from adapters.email.smtp_session import Timeouts
from rekindle.errors import (
    HandoverUncertain,
    ProviderDeferred,
    ProviderRefused,
    ProviderUnavailable,
    Unsupported,
)
from rekindle.settings import Smtp as SmtpSettings
from tests.adapters.email.conftest import MIME, an_email
from tests.adapters.email.scripted_server import HANG_UP, SILENCE, ScriptedServer
from tests.email_server import DRIP, SmtpServer
from tests.raw_server import RawServer
from tests.servers import free_port


@pytest.fixture
def open_channel():
    """Opens channels by settings, and closes them when the test is over."""
    opened = []

    def open_(settings, tls=None, **known):
        read = SmtpSettings.model_validate({"host": "127.0.0.1", **settings})
        opened.append(Smtp(read, tls, **known).open())
        return opened[-1]

    yield open_
    for channel in opened:
        channel.close()


@pytest.fixture
def channel_to(open_channel):
    return lambda server, **known: open_channel({"port": server.port}, **known)


STEPWISE = ("8BITMIME",)
PIPELINED = ("PIPELINING", "SIZE 1000000")


def test_a_real_server_gets_the_mail_byte_for_byte(smtp_sink, marks, channel_to):
    channel = channel_to(smtp_sink)

    channel.send(an_email(), marks)
    channel.close()

    (mail,) = smtp_sink.mails
    assert (mail.sender, mail.recipients) == ("hello@shop.example.com", ("ana@example.com",))
    assert mail.content == MIME
    assert marks.count == 1


def test_a_connection_is_kept_for_the_next_mail(smtp_sink, marks, channel_to):
    channel = channel_to(smtp_sink)

    for number in range(5):
        channel.send(an_email(message_id=number), marks)

    assert len(smtp_sink.mails) == 5


@pytest.mark.parametrize("offers", [PIPELINED, STEPWISE])
def test_the_envelope_goes_in_one_write_only_where_that_is_offered(offers, marks, channel_to):
    with ScriptedServer(offers) as server:
        id_ = channel_to(server).send(an_email(), marks)

        assert id_ == "queued as 7"
        assert server.commands[1:] == [
            "MAIL FROM:<hello@shop.example.com>", "RCPT TO:<ana@example.com>", "DATA"
        ]  # fmt: skip
        assert server.contents == [MIME.replace(b"\r\n.starts", b"\r\n..starts")]


def test_the_last_byte_waits_for_the_mark(marks, channel_to):
    with ScriptedServer() as server:
        contents_then = []

        channel_to(server).send(an_email(), lambda: contents_then.append(list(server.contents)))

        assert contents_then == [[]]
        assert len(server.contents) == 1


def test_without_the_mark_the_server_never_gets_the_end(channel_to):
    def fails():
        raise RuntimeError("no commit")

    with ScriptedServer() as server:
        channel = channel_to(server)
        with pytest.raises(RuntimeError):
            channel.send(an_email(), fails)
        channel.send(an_email(message_id=43), lambda: None)

        assert server.connections == 2


@pytest.mark.parametrize("offers", [PIPELINED, STEPWISE])
@pytest.mark.parametrize(
    ("word", "answer", "error"),
    [
        ("RCPT", "550 5.1.1 nobody here", ProviderRefused),
        ("RCPT", "450 try later", ProviderDeferred),
        ("DATA", "554 no", ProviderRefused),
        ("content", "554 5.7.1 spam", ProviderRefused),
        ("content", "451 try later", ProviderDeferred),
    ],
)
def test_a_refusal_leaves_the_connection_usable(word, answer, error, offers, marks, channel_to):
    with ScriptedServer(offers, {word: [answer]}) as server:
        channel = channel_to(server)
        with pytest.raises(error, match=answer):
            channel.send(an_email(), marks)
        channel.send(an_email(message_id=43), marks)

        assert server.connections == 1
        assert server.contents[-1:] == [stuffed(MIME)[:-3]]


def test_a_server_that_takes_content_for_a_refused_recipient_gets_none(marks, channel_to):
    answers = {"RCPT": ["550 nobody"], "content": ["554 no recipients"]}
    with ScriptedServer(PIPELINED, answers) as server:
        channel = channel_to(server)
        with pytest.raises(ProviderRefused, match="550 nobody"):
            channel.send(an_email(), marks)
        channel.send(an_email(), marks)

        assert server.contents == [b"", stuffed(MIME)[:-3]]
        assert marks.count == 1


@pytest.mark.parametrize("word", ["greeting", "EHLO", "MAIL", "DATA"])
def test_a_connection_lost_before_the_end_is_tried_again(word, marks, channel_to):
    with ScriptedServer(STEPWISE, {word: [HANG_UP]}) as server:
        channel = channel_to(server)
        with pytest.raises(ProviderUnavailable):
            channel.send(an_email(), marks)
        assert marks.count == 0
        channel.send(an_email(), marks)

        assert server.connections == 2


def test_a_connection_lost_after_the_last_byte_leaves_it_uncertain(marks, channel_to):
    with ScriptedServer(answers={"content": [HANG_UP]}) as server:
        channel = channel_to(server)
        with pytest.raises(HandoverUncertain):
            channel.send(an_email(), marks)
        channel.send(an_email(message_id=43), marks)

        assert (marks.count, server.connections) == (2, 2)


def test_a_server_that_never_says_that_it_has_the_mail_leaves_it_uncertain(marks, channel_to):
    with ScriptedServer(answers={"content": [SILENCE]}) as server:
        channel = channel_to(server, timeouts=Timeouts(last_reply=0.1))
        with pytest.raises(HandoverUncertain):
            channel.send(an_email(), marks)

        assert marks.count == 1


def test_a_server_that_hung_up_on_an_idle_connection_is_called_again(marks, channel_to):
    with ScriptedServer(answers={"content": ["250 fine\r\n421 closing"]}) as server:
        channel = channel_to(server)
        channel.send(an_email(), marks)
        channel.send(an_email(message_id=43), marks)

        assert server.connections == 2


def test_a_server_that_closes_shop_is_unavailable_and_called_anew(marks, channel_to):
    with ScriptedServer(answers={"MAIL": ["421 too many"]}) as server:
        channel = channel_to(server)
        with pytest.raises(ProviderUnavailable, match="421"):
            channel.send(an_email(), marks)
        channel.send(an_email(), marks)

        assert server.connections == 2


@pytest.mark.parametrize(
    "greeting", ["hello there", "220-" + "x" * 5000, "x" * 5000, "554 no service"]
)
def test_what_is_no_mail_server_is_unavailable(greeting, marks, channel_to):
    with (
        ScriptedServer(answers={"greeting": [greeting]}) as server,
        pytest.raises(ProviderUnavailable),
    ):
        channel_to(server).send(an_email(), marks)


def test_nobody_listening_is_unavailable(marks, open_channel):
    with pytest.raises(ProviderUnavailable, match="no connection"):
        open_channel({"port": free_port()}).send(an_email(), marks)


@pytest.mark.parametrize("to", ["anä@example.com", "nobody", "a b@example.com", "a@b>\r\nDATA",
                                '"a\tb"@example.com', '"a\u00a0b"@example.com'])  # fmt: skip
def test_addresses_that_smtp_cannot_carry_are_refused_before_anything_is_sent(
    to, marks, channel_to
):
    with ScriptedServer() as server:
        with pytest.raises(Unsupported):
            channel_to(server).send(an_email(to=to), marks)

        assert server.connections == 0


@pytest.mark.parametrize("to", ['"a b"@example.com', '"a..b"@example.com', '"a<b>"@example.com'])
def test_an_address_that_needs_its_quotes_travels_with_them(to, marks, channel_to):
    with ScriptedServer() as server:
        channel_to(server).send(an_email(to=to), marks)

        assert f"RCPT TO:<{to}>" in server.commands


def test_a_domain_of_another_script_travels_in_ascii(marks, channel_to):
    with ScriptedServer() as server:
        channel_to(server).send(an_email(to="ana@bücher.example"), marks)

        assert "RCPT TO:<ana@xn--bcher-kva.example>" in server.commands


def test_starttls_that_is_asked_for_and_not_offered_stops_everything(marks, open_channel):
    settings = {"tls": "starttls", "user": "ana", "password": "secret"}
    with ScriptedServer() as server:
        channel = open_channel({"port": server.port, **settings})
        with pytest.raises(ProviderUnavailable, match="does not offer STARTTLS"):
            channel.send(an_email(), marks)

        assert not any(command.startswith("AUTH") for command in server.commands)


class Keeper:
    def __init__(self):
        self.contents = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 (aiosmtpd's name)
        self.contents.append(envelope.content)
        return "250 kept"


def knows_ana(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"ana", b"secret")
    return AuthResult(success=known, handled=False)


@pytest.fixture
def encrypted(certificate):
    """Starts servers with a certificate, and the context that trusts it."""
    theirs, trusting = certificate
    keeper, started = Keeper(), []

    def start(**known):
        secured: dict[str, Any] = dict.fromkeys(known.pop("contexts"), theirs)
        server = Controller(keeper, hostname="127.0.0.1", port=free_port(), **secured, **known)
        server.start()
        started.append(server)
        return server

    yield start, trusting, keeper
    for server in started:
        server.stop()


def test_encryption_is_asked_for_before_anybody_signs_in(encrypted, marks, open_channel):
    start, trusting, keeper = encrypted
    server = start(contexts=["tls_context"], authenticator=knows_ana, auth_required=True)
    settings = {"port": server.port, "tls": "starttls", "user": "ana", "password": "secret"}
    channel = open_channel(settings, trusting)

    channel.send(an_email(), marks)
    channel.send(an_email(), marks)

    assert keeper.contents == [MIME, MIME]
    with pytest.raises(ProviderUnavailable, match="535"):
        open_channel({**settings, "password": "wrong"}, trusting).send(an_email(), marks)
    with pytest.raises(ProviderUnavailable, match="certificate"):
        open_channel(settings).send(an_email(), marks)


def test_a_connection_encrypted_from_the_start_is_kept(encrypted, marks, open_channel):
    start, trusting, keeper = encrypted
    server = start(contexts=["ssl_context"])
    channel = open_channel({"port": server.port, "tls": "tls"}, trusting)

    channel.send(an_email(), marks)
    channel.send(an_email(), marks)

    assert keeper.contents == [MIME, MIME]


@pytest.mark.parametrize(
    ("says", "then", "error"),
    [
        ({"mail": DRIP}, None, ProviderUnavailable),
        ({"data": SILENCE}, None, ProviderUnavailable),
        ({}, DRIP, HandoverUncertain),
    ],
    ids=["drips at MAIL", "silent at DATA", "drips at the end"],
)
def test_deadlines_hold_on_encrypted_connections(
    says, then, error, certificate, marks, open_channel
):
    theirs, trusting = certificate
    short = Timeouts(envelope=0.2, last_reply=0.2)
    with SmtpServer(says, then, offers=("STARTTLS",), tls=theirs) as server:
        settings = {"port": server.port, "tls": "starttls"}
        channel = open_channel(settings, trusting, timeouts=short)
        started = time.monotonic()
        with pytest.raises(error, match=r"not done within|timed out"):
            channel.send(an_email(), marks)

        assert time.monotonic() - started < 5


def test_a_server_that_reads_nothing_over_tls_ends_at_the_deadline(
    certificate, marks, open_channel
):
    theirs, trusting = certificate

    def talk(connection, ended):
        with theirs.wrap_socket(connection, server_side=True) as encrypted:
            stream = encrypted.makefile("rwb", buffering=0)
            for reply in (b"220", b"250", b"250", b"250", b"354"):
                stream.write(reply + b" ok\r\n")
                if reply != b"354":
                    stream.readline()
            ended.wait(10)

    with RawServer(talk) as server:
        settings = {"port": server.port, "tls": "tls"}
        channel = open_channel(settings, trusting, timeouts=Timeouts(content=0.2))
        started = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            channel.send(an_email(mime=MIME + b"and so on\r\n" * 2_000_000), marks)

        assert time.monotonic() - started < 5


def test_stuffing_is_undone_by_the_standard_library():
    content = stuffed(MIME)

    lines = content.removesuffix(b".\r\n").split(b"\r\n")
    unstuffed = b"\r\n".join(
        line.removeprefix(b".") if line[:1] == b"." else line for line in lines
    )
    assert unstuffed == MIME
    assert message_from_bytes(unstuffed, policy=policy.SMTP)["Subject"] == "Hello"
