"""How the sink tells the process that is measured: one datagram for each mail it accepted."""

import socket
from types import TracebackType
from typing import Self


class Notices:
    """Listens on `port` until the end of the block."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))

    def forget(self) -> None:
        """Drop every notice that has come so far."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(16):
                pass
        except BlockingIOError:
            self._socket.settimeout(30)

    def wait(self) -> None:
        """Return when the next mail was accepted. Raises TimeoutError."""
        self._socket.recv(16)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()


class Noticer:
    """Tells whoever listens on `port`, if anybody does."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to = ("127.0.0.1", port)

    def tell(self) -> None:
        self._socket.sendto(b"mail", self._to)
