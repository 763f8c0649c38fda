"""The smallest SMTP server that well-behaved clients need: accepts everything, keeps nothing.

It runs in a process of its own, so that the sender is what is measured.
"""

import asyncio
import multiprocessing
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import cast

from benchmarks.parts.notices import Noticer

END_OF_MAIL = b"\r\n.\r\n"
GREETING = b"220 sink ready\r\n"
EXTENSIONS = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 50000000\r\n"


class Conversation(asyncio.Protocol):
    """One connection; commands may arrive many at once (RFC 2920)."""

    def __init__(self, noticer: Noticer) -> None:
        self.noticer = noticer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only
        self.unread = b""
        self.is_in_mail = False
        self.transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        self.unread += data
        answers = []
        while (answer := self._next_answer()) is not None:
            answers.append(answer)
        if answers:
            self.transport.write(b"".join(answers))

    def _next_answer(self) -> bytes | None:
        """What to say to the next complete command or mail; None where it is not complete yet."""
        end = END_OF_MAIL if self.is_in_mail else b"\r\n"
        head, found, rest = self.unread.partition(end)
        if not found:
            return None
        self.unread = rest
        if self.is_in_mail:
            self.is_in_mail = False
            self.noticer.tell()
            return b"250 taken\r\n"
        return self._obey(head[:4].upper())

    def _obey(self, verb: bytes) -> bytes:
        match verb:
            case b"EHLO":
                return EXTENSIONS
            case b"DATA":
                self.is_in_mail = True
                return b"354 go on\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
            case _:
                return b"250 fine\r\n"


async def _serve(port: int, notice_port: int) -> None:
    noticer = Noticer(notice_port)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Conversation(noticer), "127.0.0.1", port)
    await server.serve_forever()


def _run(port: int, notice_port: int) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(port, notice_port))
    else:
        uvloop.run(_serve(port, notice_port))


@contextmanager
def running_sink() -> Iterator[tuple[int, int]]:
    """A sink that takes mails until the end of the block: its port, and where it tells of each."""
    ports = free_port(), free_port()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=ports, daemon=True)
    process.start()
    try:
        wait_until_open(ports[0])
        yield ports
    finally:
        process.terminate()
        process.join()


def free_port() -> int:
    """A port on which nothing listens now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_open(port: int, seconds: float = 30) -> None:
    """Return once something listens on `port`. Raises TimeoutError."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")
