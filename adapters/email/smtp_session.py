"""An SMTP connection and what is said on it, up to and after a message's last byte.

Sources: RFC 5321 (4.3.2: which answer each command wants; 4.5.3: limits and timeouts), RFC 2920
(pipelining), RFC 3207 (STARTTLS), RFC 4954 (AUTH).
"""

import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

from adapters.deadline import (
    Deadline,
    DeadlineSocket,
    DeadlineTlsSocket,
    connect,
    encrypt,
)
from adapters.email.base import OutgoingEmail
from adapters.email.replies import Reply, Stage, refusal
from adapters.email.track_record import TransactionFailed
from rekindle.clock import seconds_running
from rekindle.errors import ProviderFault, ProviderUnavailable
from rekindle.settings import Smtp as SmtpSettings

LONGEST_REPLY_LINE = 2_000  # bytes; RFC 5321 4.5.3.1.5 allows 512
MOST_REPLY_LINES = 100
# servers and the firewalls between forget a quiet connection, many without a word
LONGEST_IDLE_SECONDS = 60.0
POSITIVE = frozenset({250, 251})


@dataclass(frozen=True)
class Timeouts:
    """Seconds for each part of a hand-over as a whole, however slowly its bytes come.

    RFC 5321 4.5.3.2 lets a client wait 5 minutes for most replies and 10 for the last one; a
    server that needs more than is allowed here is better left alone or called uncertain than
    waited for by everybody behind.
    """

    session: float = 60.0  # connect, greeting, EHLO, TLS and AUTH together
    envelope: float = 60.0  # MAIL, RCPT and DATA together
    content: float = 180.0  # RFC 5321 4.5.3.2.5
    last_reply: float = 120.0
    goodbye: float = 2.0


class ConnectionLost(Exception):
    """The server went away, or stopped making sense."""

    def __init__(self, said: str, fault: ProviderFault = "connection") -> None:
        super().__init__(said)
        self.fault: ProviderFault = fault


class Wire:
    """One connection: bytes out, replies in. Raises ConnectionLost."""

    def __init__(self, connection: DeadlineSocket) -> None:
        self._socket: DeadlineSocket | DeadlineTlsSocket = connection
        self._unread = b""

    def set_deadline(self, seconds: float) -> None:
        """Let all that is sent and read from now on, until the next call, take so long."""
        self._socket.deadline = Deadline.after(seconds)

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ConnectionLost(_words(error)) from error

    def read_reply(self) -> Reply:
        lines: list[str] = []
        while len(lines) < MOST_REPLY_LINES:
            line = self._read_line().decode("utf-8", "replace")
            if not line[:3].isdigit() or line[3:4] not in ("", " ", "-"):
                raise ConnectionLost(f"the server said {line[:80]!r}")
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), tuple(lines))
        raise ConnectionLost("the server does not stop talking")

    def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Go on under TLS. RFC 3207 4.2: nothing that came before the handshake may count."""
        assert isinstance(self._socket, DeadlineSocket)
        assert self._socket.deadline is not None
        self._unread = b""
        try:
            self._socket = encrypt(self._socket, context, host, self._socket.deadline)
        except OSError as error:
            raise ConnectionLost(f"no encrypted connection: {_words(error)}", "tls") from error

    def is_quiet(self) -> bool:
        """False where the server has spoken or hung up unasked."""
        self._socket.deadline = None
        self._socket.settimeout(0)
        try:
            self._unread += self._socket.recv(4_096)
        except (BlockingIOError, ssl.SSLWantReadError):
            return not self._unread
        except OSError:
            return False
        return False

    def read_unasked(self) -> Reply | None:
        """Return what the server said when nobody had asked, where it is a reply."""
        self.set_deadline(1.0)
        try:
            return self.read_reply()
        except ConnectionLost:
            return None

    def close(self) -> None:
        self._socket.close()

    def _read_line(self) -> bytes:
        while b"\n" not in self._unread and len(self._unread) <= LONGEST_REPLY_LINE:
            self._unread += self._receive()
        line, _, self._unread = self._unread.partition(b"\n")
        if len(line) > LONGEST_REPLY_LINE:
            raise ConnectionLost("the server's line has no end")
        return line.rstrip(b"\r")

    def _receive(self) -> bytes:
        try:
            data = self._socket.recv(65_536)
        except OSError as error:
            raise ConnectionLost(_words(error)) from error
        if not data:
            raise ConnectionLost("the server closed the connection")
        return data


@dataclass
class Session:
    """A connection on which the server has let us in."""

    wire: Wire
    server: str  # host and port, for what is said of it
    timeouts: Timeouts
    offers: frozenset[str] = frozenset()
    transactions: int = 0  # messages that got an answer
    is_ready: bool = True  # the server waits for a command, not in the middle of a message
    used_at: float = field(default_factory=seconds_running)

    def is_alive(self) -> bool:
        """Return whether it is worth sending another message here."""
        is_fresh = seconds_running() - self.used_at < LONGEST_IDLE_SECONDS
        return is_fresh and self.wire.is_quiet()

    def begin(
        self, commands: tuple[bytes, bytes, bytes], content: bytes, email: OutgoingEmail
    ) -> None:
        """Send envelope and content but for the last byte.

        Raises what the server's refusal means, and is then ready for the next message unless that
        is ProviderUnavailable.
        """
        self.is_ready = False
        try:
            self._say_envelope(commands, email)
            self.wire.set_deadline(self.timeouts.content)
            self.wire.send(content[:-1])
            self._expect_silence(email)
        except ConnectionLost as error:
            raise TransactionFailed(f"{self.server}: {error}.", fault=error.fault) from error

    def end(self, last_byte: bytes) -> Reply:
        """Send the last byte and return what the server says to it. Raises ConnectionLost."""
        self.wire.set_deadline(self.timeouts.last_reply)
        self.wire.send(last_byte)
        reply = self.wire.read_reply()
        self.is_ready = reply.code != 421
        self._remember()
        return reply

    def refusal(self, reply: Reply, stage: Stage, email: OutgoingEmail) -> Exception:
        """Return the error that `reply` means, once the server has let us in."""
        error = refusal(reply, stage, email.to, self.server, subject=email.subject)
        if isinstance(error, ProviderUnavailable):
            return TransactionFailed(str(error), fault=error.fault, retry_after=error.retry_after)
        return error

    def close(self) -> None:
        """Say goodbye; never raises."""
        with suppress(ConnectionLost):
            self.wire.set_deadline(self.timeouts.goodbye)
            self.wire.send(b"QUIT\r\n")
        self.wire.close()

    def _say_envelope(self, commands: tuple[bytes, bytes, bytes], email: OutgoingEmail) -> None:
        self.wire.set_deadline(self.timeouts.envelope)
        stages: tuple[Stage, Stage, Stage] = ("mail", "rcpt", "data")
        is_pipelined = "PIPELINING" in self.offers
        if is_pipelined:
            self.wire.send(b"".join(commands))
        for command, stage in zip(commands, stages, strict=True):
            if not is_pipelined:
                self.wire.send(command)
            reply = self.wire.read_reply()
            if not _is_taken(reply, stage):
                unread = stages[stages.index(stage) + 1 :] if is_pipelined else ()
                with suppress(ConnectionLost):  # what was said holds all the same
                    self._start_over(reply, len(unread))
                raise self._refused(reply, stage, email)

    def _refused(self, reply: Reply, stage: Stage, email: OutgoingEmail) -> Exception:
        if reply.code < 400:  # an answer to another question than ours
            return ConnectionLost(f"the server said {reply} to {stage.upper()}")
        self._remember()
        return self.refusal(reply, stage, email)

    def _start_over(self, refusal: Reply, unread: int) -> None:
        """Make the connection usable again after a refused envelope, if it can be."""
        replies = [refusal]
        while replies[-1].code != 421 and len(replies) <= unread:
            replies.append(self.wire.read_reply())
        if replies[-1].code == 421:
            return
        if replies[-1].code == 354:
            # RFC 2920 3.1: a server may still want the content of a mail without recipients
            self.wire.send(b".\r\n")
            self.wire.read_reply()
        self.wire.send(b"RSET\r\n")
        self.is_ready = self.wire.read_reply().code in POSITIVE

    def _expect_silence(self, email: OutgoingEmail) -> None:
        """Raises for a server that spoke or hung up in the middle of a message."""
        if self.wire.is_quiet():
            return
        reply = self.wire.read_unasked()
        if reply is not None and reply.code >= 400:
            raise self.refusal(reply, "content", email)
        raise ConnectionLost("the server spoke or hung up in the middle of a message")

    def _remember(self) -> None:
        self.transactions += 1
        self.used_at = seconds_running()


def _is_taken(reply: Reply, stage: Stage) -> bool:
    return reply.code == 354 if stage == "data" else reply.code in POSITIVE


def open_session(settings: SmtpSettings, tls: ssl.SSLContext | None, timeouts: Timeouts) -> Session:
    """Connect, greet, encrypt and sign in as the settings say. Raises ProviderUnavailable.

    Where TLS is asked for, nothing but STARTTLS is ever said in the clear. `tls`: None trusts the
    machine's certificate authorities.
    """
    server = f"{settings.host}:{settings.port}"
    try:
        wire = Wire(connect(settings.host, settings.port, Deadline.after(timeouts.session)))
    except OSError as error:
        raise ProviderUnavailable(f"{server}: no connection: {_words(error)}.") from error
    session = Session(wire, server, timeouts)
    try:
        _let_in(session, settings, tls)
    except ConnectionLost as error:
        wire.close()
        raise ProviderUnavailable(f"{server}: {error}.", fault=error.fault) from error
    except BaseException:
        wire.close()
        raise
    session.used_at = seconds_running()
    return session


def _let_in(session: Session, settings: SmtpSettings, tls: ssl.SSLContext | None) -> None:
    if settings.tls == "tls":
        session.wire.encrypt(tls or _default_tls(), settings.host)
    _expect(session, 220)
    _hello(session)
    if settings.tls == "starttls":
        _start_tls(session, settings, tls)
    if settings.user:
        _sign_in(session, settings)


def _hello(session: Session) -> None:
    name = socket.gethostname() or "localhost"
    name = name if name.isascii() else "localhost"
    session.wire.send(f"EHLO {name}\r\n".encode())
    reply = session.wire.read_reply()
    if reply.code == 250:
        session.offers = frozenset(line.upper().strip() for line in reply.lines[1:])
        return
    if reply.code == 421:
        raise refusal(reply, "session", "", session.server)
    session.wire.send(f"HELO {name}\r\n".encode())
    _expect(session, 250)
    session.offers = frozenset()


def _start_tls(session: Session, settings: SmtpSettings, tls: ssl.SSLContext | None) -> None:
    if "STARTTLS" not in session.offers:
        raise ConnectionLost(
            "the server does not offer STARTTLS, which the settings ask for", "tls"
        )
    session.wire.send(b"STARTTLS\r\n")
    reply = session.wire.read_reply()
    if reply.code != 220:
        raise ConnectionLost(f"the server said {reply} to STARTTLS", "tls")
    session.wire.encrypt(tls or _default_tls(), settings.host)
    _hello(session)


def _sign_in(session: Session, settings: SmtpSettings) -> None:
    user, password = settings.user, settings.password.get_secret_value()
    methods = _methods(session.offers)
    wire = session.wire
    if "PLAIN" in methods or not methods:
        secret = _base64(f"\0{user}\0{password}")
        wire.send(b"AUTH PLAIN " + secret + b"\r\n")
        reply = wire.read_reply()
        if reply.code == 334:  # it did not read what came along, and asks for it (RFC 4954 4)
            wire.send(secret + b"\r\n")
            reply = wire.read_reply()
    elif "LOGIN" in methods:
        wire.send(b"AUTH LOGIN\r\n")
        _expect(session, 334)
        wire.send(_base64(user) + b"\r\n")
        _expect(session, 334)
        wire.send(_base64(password) + b"\r\n")
        reply = wire.read_reply()
    else:
        raise ConnectionLost(
            f"the server signs in by {', '.join(sorted(methods))} only", "credentials"
        )
    _check(session, reply, 235)


def _methods(offers: frozenset[str]) -> frozenset[str]:
    """The ways to sign in; old servers write `AUTH=`."""
    return frozenset(
        method
        for line in offers
        if line.startswith(("AUTH ", "AUTH="))
        for method in line[5:].split()
    )


def _expect(session: Session, code: int) -> None:
    _check(session, session.wire.read_reply(), code)


def _check(session: Session, reply: Reply, code: int) -> None:
    if reply.code >= 400:
        raise refusal(reply, "session", "", session.server)
    if reply.code != code:
        raise ConnectionLost(f"the server said {reply} where {code} was due")


@lru_cache(maxsize=1)
def _default_tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _base64(text: str) -> bytes:
    return b64encode(text.encode())


def _words(error: OSError) -> str:
    return str(error) or type(error).__name__
