"""SMTP over kept connections: envelope in one write where the server takes it, stepwise elsewhere.

Sources: RFC 5321 (SMTP), RFC 2920 (pipelining), RFC 3207 (STARTTLS), RFC 4954 (AUTH).
"""

import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from re import compile as pattern

from adapters.email.base import BeforeLastByte, OutgoingEmail, ProviderMessageId
from rekindle.addresses import EmailAddress
from rekindle.errors import (
    HandoverUncertain,
    NotAnAddress,
    ProviderDeferred,
    ProviderRefused,
    ProviderUnavailable,
    Unsupported,
)
from rekindle.settings import Settings
from rekindle.settings import Smtp as SmtpSettings

CONNECT_SECONDS = 20.0
REPLY_SECONDS = 60.0  # for all replies but the last
# RFC 5321 §4.5.3.2.6 allows ten minutes for the last reply; a server that needs more than two is
# one that we should rather call uncertain than wait for
FINAL_REPLY_SECONDS = 120.0
LONGEST_REPLY_LINE = 2_000  # bytes; RFC 5321 §4.5.3.1.5 allows 512
MOST_REPLY_LINES = 100
CONNECTIONS = 4
UNSAFE = pattern(r"[\s<>\x00-\x1f\x7f]")
# 5xx that speak of us or of this hour, not of this mail: trying again later may help
ABOUT_THE_SESSION = (500, 502, 503, 504, 530, 534, 535, 538)


class ConnectionLost(Exception):
    """The server went away, or stopped making sense."""


@dataclass(frozen=True)
class Reply:
    """What a server said: three digits and its lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 400

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.lines)}"[:300]


class Wire:
    """One connection: bytes out, replies in. Raises ConnectionLost."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._unread = b""

    def send(self, data: bytes) -> None:
        self._socket.settimeout(REPLY_SECONDS)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ConnectionLost(str(error) or type(error).__name__) from error

    def read_reply(self, seconds: float = REPLY_SECONDS) -> Reply:
        self._socket.settimeout(seconds)
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
        # RFC 3207 §4.2: nothing that came before the handshake may count
        self._unread = b""
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except OSError as error:
            raise ConnectionLost(f"no encrypted connection: {error}") from error

    def is_quiet(self) -> bool:
        """False where the server has spoken or hung up unasked."""
        self._socket.settimeout(0)
        try:
            self._unread += self._socket.recv(4_096)
        except (BlockingIOError, ssl.SSLWantReadError):
            return not self._unread
        except OSError:
            return False
        return False

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
            raise ConnectionLost(str(error) or type(error).__name__) from error
        if not data:
            raise ConnectionLost("the server closed the connection")
        return data


@dataclass(frozen=True)
class Smtp:
    """A mail server, as configured."""

    settings: SmtpSettings
    tls: ssl.SSLContext | None = None  # None: the machine's certificate authorities
    final_reply_seconds: float = FINAL_REPLY_SECONDS
    name: str = "smtp"
    is_idempotent: bool = False
    connections: int = CONNECTIONS

    def open(self) -> "SmtpChannel":
        context = self.tls or ssl.create_default_context()
        return SmtpChannel(self.settings, context, self.final_reply_seconds)


@dataclass
class SmtpChannel:
    """One kept connection; made when first needed, and again after it was lost."""

    settings: SmtpSettings
    tls: ssl.SSLContext
    final_reply_seconds: float
    _wire: Wire | None = None
    _offers: frozenset[str] = frozenset()

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        """The server's last words are the id: most name the mail in their queue there."""
        content = stuffed(email.mime)
        commands = envelope(email.sender, email.to)
        try:
            wire = self._connected()
            self._say_envelope(wire, commands)
            wire.send(content[:-1])
            if not wire.is_quiet():
                raise ConnectionLost("the server spoke or hung up in the middle of a mail")
        except ConnectionLost as error:
            self._drop()
            raise ProviderUnavailable(f"{self._server}: {error}.") from error
        try:
            before_last_byte()
        except BaseException:
            self._drop()  # the server waits for the end of a mail that must not be sent
            raise
        return self._hand_over(wire, content[-1:])

    def close(self) -> None:
        """Say goodbye; never raises."""
        if self._wire is None:
            return
        with suppress(ConnectionLost):
            self._wire.send(b"QUIT\r\n")
        self._drop()

    @property
    def _server(self) -> str:
        return f"{self.settings.host}:{self.settings.port}"

    def _hand_over(self, wire: Wire, last_byte: bytes) -> ProviderMessageId:
        try:
            wire.send(last_byte)
            reply = wire.read_reply(self.final_reply_seconds)
        except ConnectionLost as error:
            self._drop()
            raise HandoverUncertain(f"{self._server} did not answer: {error}.") from error
        if reply.is_positive:
            return ProviderMessageId(" ".join(reply.lines)[:200])
        if reply.code == 421:
            self._drop()
        raise self._refusal(reply)

    def _say_envelope(self, wire: Wire, commands: tuple[bytes, bytes, bytes]) -> None:
        """MAIL, RCPT and DATA. Raises the refusal of any, and is then ready for the next mail."""
        replies: list[Reply] = []
        if "PIPELINING" in self._offers:
            wire.send(b"".join(commands))
            replies = [wire.read_reply() for _ in commands]
        else:
            for command in commands:
                wire.send(command)
                replies.append(wire.read_reply())
                if not replies[-1].is_positive:
                    break
        refused = next((reply for reply in replies if not reply.is_positive), None)
        if refused is not None:
            self._start_over(wire, replies)
            raise self._refusal(refused)

    def _start_over(self, wire: Wire, replies: list[Reply]) -> None:
        """Make the connection usable again after a refused envelope."""
        if any(reply.code == 421 for reply in replies):
            self._drop()
            return
        if len(replies) == 3 and replies[-1].code == 354:
            # RFC 2920 §3.1: a server may still want the content of a mail without recipients
            wire.send(b".\r\n")
            wire.read_reply()
        wire.send(b"RSET\r\n")
        if not wire.read_reply().is_positive:
            self._drop()

    def _refusal(self, reply: Reply) -> ProviderRefused | ProviderDeferred | ProviderUnavailable:
        if reply.code == 421 or reply.code in ABOUT_THE_SESSION:
            return ProviderUnavailable(f"{self._server} said {reply}.")
        if reply.code < 500:
            return ProviderDeferred(f"{self._server} said {reply}.")
        return ProviderRefused(f"{self._server} said {reply}.")

    def _connected(self) -> Wire:
        if self._wire is not None and not self._wire.is_quiet():
            self._drop()  # it hung up while the connection was idle
        return self._wire or self._greet()

    def _greet(self) -> Wire:
        wire = Wire(_connect(self.settings))
        self._wire = wire
        if self.settings.tls == "tls":
            wire.encrypt(self.tls, self.settings.host)
        self._expect(wire.read_reply())
        self._offers = self._hello(wire)
        if self.settings.tls == "starttls":
            self._start_tls(wire)
        if self.settings.user:
            self._sign_in(wire)
        return wire

    def _hello(self, wire: Wire) -> frozenset[str]:
        name = socket.gethostname() or "localhost"
        wire.send(f"EHLO {name if name.isascii() else 'localhost'}\r\n".encode())
        reply = wire.read_reply()
        if reply.is_positive:
            return frozenset(line.upper() for line in reply.lines[1:])
        wire.send(b"HELO localhost\r\n")
        self._expect(wire.read_reply())
        return frozenset()

    def _start_tls(self, wire: Wire) -> None:
        if "STARTTLS" not in self._offers:
            raise ConnectionLost("the server does not offer STARTTLS, which the settings ask for")
        wire.send(b"STARTTLS\r\n")
        self._expect(wire.read_reply())
        wire.encrypt(self.tls, self.settings.host)
        self._offers = self._hello(wire)

    def _sign_in(self, wire: Wire) -> None:
        user, password = self.settings.user, self.settings.password.get_secret_value()
        methods = next((line.split()[1:] for line in self._offers if line.startswith("AUTH ")), [])
        if "PLAIN" in methods or not methods:
            wire.send(b"AUTH PLAIN " + _base64(f"\0{user}\0{password}") + b"\r\n")
        elif "LOGIN" in methods:
            wire.send(b"AUTH LOGIN\r\n")
            self._expect(wire.read_reply())
            wire.send(_base64(user) + b"\r\n")
            self._expect(wire.read_reply())
            wire.send(_base64(password) + b"\r\n")
        else:
            raise ConnectionLost(f"the server signs in by {', '.join(methods)} only")
        self._expect(wire.read_reply())

    def _expect(self, reply: Reply) -> None:
        if not reply.is_positive:
            raise ConnectionLost(f"the server said {reply}")

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire, self._offers = None, frozenset()


def envelope(sender: str, to: str) -> tuple[bytes, bytes, bytes]:
    """MAIL, RCPT and DATA. Raises Unsupported for addresses that plain SMTP cannot carry."""
    from_, recipient = _plain_address(sender), _plain_address(to)
    return f"MAIL FROM:<{from_}>\r\n".encode(), f"RCPT TO:<{recipient}>\r\n".encode(), b"DATA\r\n"


@lru_cache(maxsize=1024)
def _plain_address(written: str) -> str:
    try:
        plain = EmailAddress.parse(written).deliverable
    except NotAnAddress as error:
        raise Unsupported(str(error)) from error
    if UNSAFE.search(plain) or not plain.isascii():
        raise Unsupported(f"{written[:80]!r} cannot be written to by plain SMTP.")
    return plain


def stuffed(mime: bytes) -> bytes:
    """The content as it goes over the wire: leading dots doubled, ended by a line with one dot."""
    content = mime.replace(b"\n.", b"\n..")  # five times as fast as a pattern
    content = b"." + content if content.startswith(b".") else content
    return content + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _base64(text: str) -> bytes:
    return b64encode(text.encode())


def _connect(settings: SmtpSettings) -> socket.socket:
    try:
        connection = socket.create_connection(
            (settings.host, settings.port), timeout=CONNECT_SECONDS
        )
    except OSError as error:
        raise ConnectionLost(f"no connection: {error}") from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def adapter(settings: Settings, outbox: Path) -> Smtp:
    return Smtp(settings.smtp)
