"""Email providers on loopback with switches for what real ones do: an SMTP server and SendGrid.

Both keep what they accepted, so that a test can tell what was lost and what came twice.
"""

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from tests.raw_server import RawServer, drip

# what a switch may say instead of an answer
DROP = "DROP"  # close the connection
SILENCE = "SILENCE"  # keep it open and say nothing
DRIP = "DRIP"  # a byte now and then, without end
GARBAGE = "GARBAGE"  # what makes no sense
RESET = "RESET"  # close it with a TCP reset
DRIP_SECONDS = 0.02

Answer = str | Callable[[str], str | None]  # given the command or the recipient; None: as usual


@dataclass(frozen=True)
class Accepted:
    """A message that the provider took."""

    recipient: str
    message_id: str


@dataclass
class Limit:
    """So many messages in so long a time, by an injected clock; then `answer` until it is over."""

    most: int
    every: timedelta
    now: Callable[[], datetime]
    answer: str
    taken: list[datetime] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, _said: str) -> str | None:
        with self.lock:
            now = self.now()
            self.taken = [instant for instant in self.taken if now - instant < self.every]
            if len(self.taken) >= self.most:
                return self.answer
            self.taken.append(now)
            return None


@dataclass
class Provider:
    """What both have in common: `says` maps a stage to what is said there instead of yes."""

    says: Mapping[str, Answer] = field(default_factory=dict)
    then: Answer | None = None  # instead of saying so, once a message was accepted
    accepted: list[Accepted] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def connections(self) -> int:
        return self._server.connections

    @property
    def doubled(self) -> set[Accepted]:
        """Messages that were accepted more than once."""
        return {one for one in self.accepted if self.accepted.count(one) > 1}

    def __enter__(self) -> Self:
        self._server = RawServer(self.talk).__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def talk(self, connection: socket.socket, ended: threading.Event) -> None:
        raise NotImplementedError

    def answer_at(self, stage: str, said: str, usual: str) -> str:
        answer = self.says.get(stage, usual)
        return answer if isinstance(answer, str) else answer(said) or usual

    def after_accepting(self, recipient: str, usual: str) -> str:
        if callable(self.then):
            return self.then(recipient) or usual
        return self.then or usual

    def accept(self, recipient: str, message_id: str) -> None:
        with self.arrived:
            self.accepted.append(Accepted(recipient, message_id))
            self.arrived.notify_all()


class _Over(Exception):
    """This conversation is over."""


@dataclass
class SmtpServer(Provider):
    """Stages: connect, greeting, ehlo, starttls, auth, mail, rcpt, data, content, end.

    `end` is said instead of `250` to a message that came whole, and loses it unless it begins with
    a `2`.
    """

    offers: tuple[str, ...] = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES")
    per_connection: int | None = None  # messages
    at_limit: str = "421 4.7.0 Too many messages for this session"
    most_connections: int | None = None  # at once
    over_connections: str = "421 4.3.2 Concurrent connections limit exceeded"
    tls: ssl.SSLContext | None = None
    open_now: int = 0
    most_open: int = 0
    commands: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def talk(self, connection: socket.socket, ended: threading.Event) -> None:
        with self.lock:
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
            is_over = self.most_connections is not None and self.open_now > self.most_connections
        conversation = _Conversation(self, connection, ended)
        try:
            with suppress(_Over, OSError, ssl.SSLError):
                conversation.run(is_over=is_over)
        finally:
            conversation.connection.close()  # the encrypted one, where there was a handshake
            with self.lock:
                self.open_now -= 1


@dataclass
class _Conversation:
    server: SmtpServer
    connection: socket.socket
    ended: threading.Event
    taken: int = 0
    recipient: str = ""
    has_sender: bool = False
    has_recipient: bool = False

    def run(self, *, is_over: bool) -> None:
        self.stream = self.connection.makefile("rb")
        if is_over:
            self.say(self.server.over_connections)
            raise _Over
        self.answer("greeting", "", "220 here ESMTP")
        while line := self.stream.readline():
            command = line.decode("latin-1").rstrip("\r\n")
            self.server.commands.append(command)
            self.follow(command)

    def follow(self, command: str) -> None:
        match command.split(":")[0].split(" ")[0].upper():
            case "EHLO":
                lines = ["250-here", *(f"250-{offer}" for offer in self.server.offers), "250 HELP"]
                self.answer("ehlo", command, "\r\n".join(lines))
            case "STARTTLS":
                self.start_tls(command)
            case "AUTH":
                self.answer("auth", command, "235 2.7.0 ok")
            case "MAIL" | "RCPT" | "DATA" as word:
                self.take_envelope(word, command)
            case "QUIT":
                self.say("221 bye")
                raise _Over
            case _:
                self.say("250 2.0.0 ok")

    def take_envelope(self, word: str, command: str) -> None:
        if word == "MAIL":
            if self.taken == self.server.per_connection:
                self.say(self.server.at_limit)
                raise _Over
            self.has_sender = self.answer("mail", command, "250 2.1.0 ok").startswith("25")
            self.has_recipient = False
        elif word == "RCPT" and not self.has_sender:
            self.say("503 5.5.1 MAIL first")
        elif word == "RCPT":
            self.recipient = command.partition("<")[2].rstrip(">")
            answer = self.answer("rcpt", self.recipient, "250 2.1.5 ok")
            self.has_recipient = answer.startswith("25")
        elif not self.has_recipient and not isinstance(self.server.says.get("data"), str):
            self.say("554 5.5.1 no valid recipients")
        elif self.answer("data", command, "354 go on").startswith("354"):
            self.read_content()

    def start_tls(self, command: str) -> None:
        if not self.answer("starttls", command, "220 go on").startswith("220"):
            return
        if self.server.tls is None:
            self.connection.sendall(b"this is no handshake\r\n" * 10)
            raise _Over
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.stream = self.connection.makefile("rb")

    def read_content(self) -> None:
        if "content" in self.server.says:
            self.stream.read(50)
            self.answer("content", self.recipient, "")
            raise _Over
        content = b""
        while (line := self.stream.readline()) != b".\r\n":
            if not line:
                raise _Over
            content += line
        answer = self.server.answer_at("end", self.recipient, "250 2.0.0 queued")
        if answer.startswith("2"):
            self.taken += 1
            self.server.accept(self.recipient, _message_id(content.decode("latin-1")))
            answer = self.server.after_accepting(self.recipient, answer)
        self.say(answer)

    def answer(self, stage: str, said: str, usual: str) -> str:
        answer = self.server.answer_at(stage, said, usual)
        self.say(answer)
        return answer

    def say(self, answer: str) -> None:
        match answer:
            case "DROP":
                raise _Over
            case "RESET":
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
                )
                self.stream.close()
                self.connection.close()
                raise _Over
            case "SILENCE":
                self.ended.wait(20)
                raise _Over
            case "DRIP":
                drip(self.connection, b"250-still here\r\n" * 500, self.ended, DRIP_SECONDS)
                raise _Over
            case "GARBAGE":
                self.connection.sendall(b"\x00\xff<html>what?</html>\r\n")
            case _:
                self.connection.sendall(answer.encode() + b"\r\n")
                if answer.startswith("421"):
                    raise _Over


@dataclass
class SendGridServer(Provider):
    """Stages: connect, request (before it is read), answer. An answer is a status, a space and the
    body; `headers` go along with it.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def talk(self, connection: socket.socket, ended: threading.Event) -> None:
        with suppress(_Over):
            stream = connection.makefile("rb")
            if "request" in self.says:
                stream.read(20)
                self._say(connection, ended, self.answer_at("request", "", "202"))
                return
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = stream.readline()
                if not line:
                    return
                head += line
            self.paths.append(head.split(b" ")[1].decode())
            length = re.search(rb"(?i)content-length: (\d+)", head)
            body = json.loads(stream.read(int(length[1]))) if length else {}
            people = body.get("personalizations", [{}])
            recipient = people[0].get("to", [{}])[0].get("email", "")
            answer = self.answer_at("answer", recipient, "202")
            if answer.startswith("2"):
                message_id = body.get("headers", {}).get("Message-ID", "")
                self.accept(recipient, message_id)
                answer = self.after_accepting(recipient, answer)
            self._say(connection, ended, answer)

    def _say(self, connection: socket.socket, ended: threading.Event, answer: str) -> None:
        match answer:
            case "DROP":
                return
            case "RESET":
                linger = b"\x01\0\0\0\0\0\0\0"
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            case "SILENCE":
                ended.wait(20)
            case "DRIP":
                drip(connection, b"HTTP/1.1 202 Accepted\r\n" * 500, ended, DRIP_SECONDS)
            case "GARBAGE":
                connection.sendall(b"\x00\xffwhat?\r\n\r\n")
            case _:
                status, _, body = answer.partition(" ")
                known = {"X-Message-Id": "abc", "Content-Length": str(len(body)), **self.headers}
                lines = [f"{name}: {value}" for name, value in known.items()]
                head = "\r\n".join([f"HTTP/1.1 {status} said", *lines, "Connection: close"])
                connection.sendall(f"{head}\r\n\r\n{body}".encode())


def _message_id(content: str) -> str:
    found = re.search(r"(?im)^message-id:\s*(\S+)", content)
    return found[1] if found else ""
