"""HTTP connections that end where a request does not come whole in time.

The server itself waits for ever for the rest of a head or a body, and a head may be of any size.
Source: uvicorn 0.54, `protocols/http/`, read 2026-11.
"""

from asyncio import AbstractEventLoop, Protocol, TimerHandle, Transport
from typing import Any

HEAD_SECONDS = 10.0
MOST_HEAD_BYTES = 64 * 1024
BODY_SECONDS = 15.0  # then it must have come, or come on, at this pace
SLOWEST = 16 * 1024  # bytes a second
LOOK_AGAIN_SECONDS = 5.0
MOST_AT_ONCE = 1_000  # connections, and requests being answered; more are told 503
TOO_SLOW = b"408 Request Timeout"
TOO_LARGE = b"431 Request Header Fields Too Large"


class Deadlines:
    """What is mixed into a protocol of uvicorn's: deadlines for the head and the body of a request.

    `cycle` is the request that came last: it is there once the head is whole.
    """

    loop: AbstractEventLoop
    transport: Transport
    cycle: Any
    flow: Any
    _timer: TimerHandle | None = None
    _is_in_body = False
    _began = 0.0
    _received = 0  # bytes of the present head or body

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)  # type: ignore[misc]  # the protocol's
        self._wait(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        if self._timer is None:  # the first bytes of another request on this connection
            self._wait(HEAD_SECONDS)
        before = self.cycle
        self._received += len(data)
        super().data_received(data)  # type: ignore[misc]
        if self.cycle is not before:
            self._stop_waiting()
            if self.cycle.more_body:
                self._wait(BODY_SECONDS)
        elif before is not None and not before.more_body and self._is_in_body:
            self._stop_waiting()
        elif not self._is_in_body and self._received > MOST_HEAD_BYTES:
            self._end(TOO_LARGE)

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(error)  # type: ignore[misc]

    def _wait(self, seconds: float) -> None:
        self._is_in_body = seconds == BODY_SECONDS
        self._began, self._received = self.loop.time(), 0
        self._timer = self.loop.call_later(seconds, self._look)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._is_in_body, self._received = None, False, 0

    def _look(self) -> None:
        """The time is over: what comes on fast enough, or waits for us, may go on."""
        if self._comes_on() if self._is_in_body else self._is_answering():
            self._timer = self.loop.call_later(LOOK_AGAIN_SECONDS, self._look)
        else:
            self._end(TOO_SLOW)

    def _comes_on(self) -> bool:
        seconds = self.loop.time() - self._began
        return self.flow.read_paused or self._received >= SLOWEST * seconds

    def _is_answering(self) -> bool:
        """Whether the request before this one has yet to be answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _end(self, status: bytes) -> None:
        if self.transport.is_closing():
            return
        if not (self._is_in_body and self.cycle.response_started):
            head = b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(head)
        self._stop_waiting()
        self.transport.close()


def bounded_protocol() -> type[Protocol]:
    """The protocol that uvicorn would choose, with deadlines."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    return type("BoundedProtocol", (Deadlines, AutoHTTPProtocol), {})
