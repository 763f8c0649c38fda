"""A TCP server on loopback that does with each connection as it is told."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass
class RawServer:
    """`talk` is given each connection in a thread of its own, and an event set when all is over.

    Leaving the `with` ends every conversation, whatever it is waiting for.
    """

    talk: Callable[[socket.socket, threading.Event], None]
    connections: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    _open: list[tuple[socket.socket, threading.Thread]] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection, thread in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
            thread.start()
            self._open.append((connection, thread))

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.talk(connection, self.ended)


def drip(
    connection: socket.socket, text: bytes, ended: threading.Event, seconds: float = 0.02
) -> None:
    """Send `text` a byte at a time, for as long as the other side listens."""
    for number in range(len(text)):
        if ended.wait(seconds):
            return
        connection.sendall(text[number : number + 1])
