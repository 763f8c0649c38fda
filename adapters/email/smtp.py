"""SMTP over kept connections, which all channels share.

Sources: RFC 5321 (SMTP), RFC 2920 (pipelining). Relays end a session after so many messages
(SendGrid after 100, many after fewer) and allow so many sessions at once (Microsoft 365: 3);
neither keeps a message back here.
"""

import ssl
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from re import compile as pattern

from adapters.email.base import BeforeLastByte, OutgoingEmail, ProviderMessageId
from adapters.email.smtp_session import ConnectionLost, Session, Timeouts, open_session
from adapters.email.track_record import JudgedChannel, TrackRecord
from rekindle.addresses import EmailAddress
from rekindle.clock import seconds_running
from rekindle.errors import (
    NEEDS_SMTPUTF8,
    HandoverUncertain,
    NotAnAddress,
    ProviderUnavailable,
    RekindleError,
    Unsupported,
)
from rekindle.settings import Settings
from rekindle.settings import Smtp as SmtpSettings

CONNECTIONS = 4
FEWER_FOR_SECONDS = 600.0  # how long a server's limit on connections is taken to last
WAIT_SECONDS = 60.0  # for another channel to finish, where the server allows no more connections
UNSAFE = pattern(r"[\s<>]")
CONTROL = pattern(r"[\x00-\x1f\x7f]")


@dataclass
class Sessions:
    """The open sessions of one adapter, never more at once than the server allows."""

    settings: SmtpSettings
    tls: ssl.SSLContext | None
    timeouts: Timeouts
    wait_seconds: float = WAIT_SECONDS
    _idle: list[Session] = field(default_factory=list)
    _open: int = 0  # idle, in use, and being opened
    _most: int = CONNECTIONS
    _most_until: float = 0.0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self) -> Session:
        """An idle session that still lives, or a new one. Raises ProviderUnavailable."""
        while True:
            session = self._idle_or_place()
            if session is None:
                try:
                    return open_session(self.settings, self.tls, self.timeouts)
                except BaseException as error:
                    if not self._is_one_too_many(error):
                        raise
            elif session.is_alive():
                return session
            else:
                self.drop(session)

    def give_back(self, session: Session) -> None:
        """Keep a session for the next message, where it can take one."""
        if not session.is_ready:
            self.drop(session)
            return
        with self._changed:
            self._idle.append(session)
            self._changed.notify()

    def drop(self, session: Session) -> None:
        """Close a session for good."""
        session.wire.close()
        with self._changed:
            self._open -= 1
            self._changed.notify()

    def close(self) -> None:
        """Say goodbye on all that are idle."""
        with self._changed:
            idle, self._idle = self._idle, []
            self._open -= len(idle)
            self._changed.notify_all()
        for session in idle:
            session.close()

    def _idle_or_place(self) -> Session | None:
        """An idle session, or None once there is a place for a new one."""
        with self._changed:
            if not self._changed.wait_for(self._is_free, self.wait_seconds):
                raise ProviderUnavailable(
                    f"{self.settings.host} allows {self._most} connections, and they are taken.",
                    fault="rate",
                )
            if self._idle:
                return self._idle.pop()
            self._open += 1
            return None

    def _is_free(self) -> bool:
        if seconds_running() > self._most_until:
            self._most = CONNECTIONS
        return bool(self._idle) or self._open < self._most

    def _is_one_too_many(self, error: BaseException) -> bool:
        """Give up the place of a session that failed to open; True where the server took others of
        ours and will take this one once they are done.
        """
        with self._changed:
            self._open -= 1
            self._changed.notify()
            is_limit = isinstance(error, ProviderUnavailable) and error.fault == "rate"
            if not is_limit or not self._open:
                return False
            self._most = self._open
            self._most_until = seconds_running() + FEWER_FOR_SECONDS
            return True


@dataclass
class Smtp:
    """A mail server, as configured."""

    settings: SmtpSettings
    tls: ssl.SSLContext | None = None  # None: the machine's certificate authorities
    timeouts: Timeouts = field(default_factory=Timeouts)
    name: str = "smtp"
    is_idempotent: bool = False
    connections: int = CONNECTIONS

    def __post_init__(self) -> None:
        self._sessions = Sessions(self.settings, self.tls, self.timeouts)
        self._record = TrackRecord()

    def open(self) -> JudgedChannel:
        return JudgedChannel(SmtpChannel(self._sessions), self._record)


@dataclass(frozen=True)
class SmtpChannel:
    """Hands over one message at a time, on whichever session is free."""

    sessions: Sessions

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        """The server's last words are the id: most name the mail in their queue there."""
        content = stuffed(email.mime)
        commands = envelope(email.sender, email.to)
        session = self._begun(commands, content, email)
        try:
            before_last_byte()
        except BaseException:
            self.sessions.drop(session)  # the server waits for the end of what must not be sent
            raise
        return self._end(session, content[-1:], email)

    def close(self) -> None:
        """Say goodbye; never raises."""
        self.sessions.close()

    def _begun(
        self, commands: tuple[bytes, bytes, bytes], content: bytes, email: OutgoingEmail
    ) -> Session:
        """A session that waits for the last byte.

        One that has served other messages may be over (after N of them by 421, or without a word);
        only what a fresh one says is about the provider.
        """
        while True:
            session = self.sessions.take()
            is_fresh = not session.transactions
            try:
                session.begin(commands, content, email)
            except ProviderUnavailable:
                self.sessions.drop(session)
                if is_fresh:
                    raise
            except RekindleError:  # about this message: the next one may go the same way
                self.sessions.give_back(session)
                raise
            except BaseException:
                self.sessions.drop(session)
                raise
            else:
                return session

    def _end(self, session: Session, last_byte: bytes, email: OutgoingEmail) -> ProviderMessageId:
        try:
            reply = session.end(last_byte)
        except ConnectionLost as error:
            self.sessions.drop(session)
            raise HandoverUncertain(f"{session.server} did not answer: {error}.") from error
        if reply.code < 200 or 300 <= reply.code < 400:  # neither yes nor no
            self.sessions.drop(session)
            raise HandoverUncertain(f"{session.server} said {reply} to the end of a message.")
        self.sessions.give_back(session)
        if reply.code < 300:
            return ProviderMessageId(CONTROL.sub(" ", " ".join(reply.lines))[:200])
        raise session.refusal(reply, "content", email)


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
    # RFC 5321 §4.1.2: within quotes anything that can be printed
    bare = plain.rpartition("@")[2] if plain.startswith('"') else plain
    if CONTROL.search(plain) or UNSAFE.search(bare):
        raise Unsupported("The address has a character that no email command can carry.")
    if not plain.isascii():
        raise Unsupported(NEEDS_SMTPUTF8)
    return plain


def stuffed(mime: bytes) -> bytes:
    """The content as it goes over the wire: leading dots doubled, ended by a line with one dot."""
    content = mime.replace(b"\n.", b"\n..")  # five times as fast as a pattern
    content = b"." + content if content.startswith(b".") else content
    return content + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def adapter(settings: Settings, outbox: Path) -> Smtp:
    return Smtp(settings.smtp)
