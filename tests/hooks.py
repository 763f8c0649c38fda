"""Receivers of webhooks that answer as they are told, and remember what they were sent."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.raw_server import RawServer

OK = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Answer = Callable[[socket.socket, threading.Event], None]


@dataclass
class Hook:
    """One receiver; `answer` may be changed while it runs."""

    answer: Answer
    ids: Counter[str] = field(default_factory=Counter)
    customers: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.server = RawServer(self._talk)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/hook"

    @property
    def name(self) -> str:
        """What the engine calls it."""
        return f"127.0.0.1:{self.server.port}"

    @property
    def calls(self) -> int:
        return self.ids.total()

    def __enter__(self) -> "Hook":
        self.server.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.server.__exit__(*error)

    def _talk(self, connection: socket.socket, ended: threading.Event) -> None:
        id_, customer = _read(connection)
        with self._lock:
            self.ids[id_] += 1
            self.customers[customer] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.answer(connection, ended)
        finally:
            with self._lock:
                self.at_once -= 1


def _read(connection: socket.socket) -> tuple[str, str]:
    """Return the id of a call, and whom it is about. Raises OSError where the caller hung up."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += _receive(connection)
    return fields[b"webhook-id"].decode(), json.loads(body)["data"]["customer"]


def _receive(connection: socket.socket) -> bytes:
    if received := connection.recv(65536):
        return received
    raise ConnectionResetError("the caller hung up in the middle")


def say(text: bytes, after: float = 0.0) -> Answer:
    """Answer so, after so many seconds."""

    def answer(connection: socket.socket, ended: threading.Event) -> None:
        if not ended.wait(after):
            connection.sendall(text)

    return answer


def hang(_connection: socket.socket, ended: threading.Event) -> None:
    """Never answer."""
    ended.wait()


def drip_slowly(connection: socket.socket, ended: threading.Event) -> None:
    """A byte of a header now and then, and never the last one."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while not ended.wait(0.05):
        connection.sendall(b"a")


def drip_body(connection: socket.socket, ended: threading.Event) -> None:
    """An answer at once, and a body without an end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not ended.wait(0.05):
        connection.sendall(b"a")
