"""HTTP connections that end where a request does not come whole in time or is out of proportion,
and where nobody takes the answer; so many at once, and of one client only a part of them.

The server itself waits for ever for the rest of a request, keeps heads and trailers of any size,
queues any number of requests, and never gives up writing.
Source: uvicorn 0.54, `protocols/http/`, read 2026-11.
"""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Sequence
from enum import Enum
from typing import Any

from starlette.types import ASGIApp

from adapters.reach import Network
from web.clients import holder_of, parse_address
from web.room import Room
from web.shares import (
    FULL,
    MOST_AT_ONCE,
    MOST_OF_ONE,
    RETRY_SECONDS,
    TOO_MANY,
    OnlyHealth,
    refused,
)

HEAD_SECONDS = 10.0
MOST_HEAD_BYTES = 64 * 1024
BODY_SECONDS = 15.0  # after so long it must have come, or come on, at this pace
SLOWEST = 16 * 1024  # bytes a second
MOST_BODY_BYTES = 64 * 1024 * 1024  # with sizes of chunks; the largest we read has half as many
# bytes in a row that are no content: sizes and extensions of chunks, and trailers
MOST_WITHOUT_CONTENT = 8 * 1024
MOST_PARTS = 1_000  # chunks of a body, and one more for each so many bytes of its content
BYTES_OF_PART = 64
PIECE = 8 * 1024  # bytes that the parser is given before it is seen what it made of them
MOST_PIPELINED = 16  # requests that wait until those before them are answered
TAKE_SECONDS = 30.0  # an answer of which nothing is taken for so long is given up
# After our last word, what the other side still sends is thrown away, so that it can read that:
LINGER_SECONDS = 2.0  # since it sent something
LONGEST_LINGER = 15.0  # however much comes
LOOK_SECONDS = 1.0
FOR_HEALTH = 50  # connections above `MOST_AT_ONCE`, which may only ask how the process is


class Phase(Enum):
    """What a connection waits for."""

    REQUEST = "the next request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    END = "the other side, to end it too"


class Ending(Enum):
    """Why we end a connection: status, phrase and sentence."""

    NO_HTTP = (400, "Bad Request", "This is no HTTP request.")
    TINY_CHUNKS = (400, "Bad Request", "The chunks of this body are too small.")
    TOO_SLOW = (408, "Request Timeout", "This request did not come whole in time.")
    TOO_LARGE = (413, "Content Too Large", "The body of this request is too large.")
    TOO_MANY = (429, "Too Many Requests", TOO_MANY)
    HEAD_TOO_LARGE = (431, "Request Header Fields Too Large", "These header fields are too large.")
    FULL = (503, "Service Unavailable", FULL)

    def as_answer(self) -> bytes:
        status, phrase, sentence = self.value
        retry = f"retry-after: {RETRY_SECONDS}\r\n" if status in (429, 503) else ""
        return (
            f"HTTP/1.1 {status} {phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n{retry}"
            f"connection: close\r\ncontent-length: {len(sentence) + 1}\r\n\r\n{sentence}\n"
        ).encode()


class Connections(Room):
    """The connections of one server, by client."""

    def __init__(self, proxies: Sequence[Network]) -> None:
        super().__init__(MOST_AT_ONCE + FOR_HEALTH, MOST_OF_ONE)
        self.proxies = proxies

    @property
    def is_full(self) -> bool:
        return self.held.total() > MOST_AT_ONCE


class Bounded:
    """What is mixed into a protocol of uvicorn's, which says how far a request has come."""

    connections_of_server: Connections
    app: ASGIApp
    loop: AbstractEventLoop
    transport: Transport
    client: tuple[str, int] | None
    cycle: Any  # the request whose head came last, and its answer
    flow: Any
    pipeline: Any = ()  # requests that wait for the answers to those before them
    _holder: str | None = None  # of the place that this connection takes
    _watch: TimerHandle
    _phase = Phase.REQUEST
    _began = 0.0  # when the phase did, or a body had last come fast enough
    _received = 0  # bytes, since the phase began
    _received_by_then = 0  # at `_began`
    _content = 0  # bytes of it
    _parts = 0  # in which it came
    _without_content = 0  # bytes since the last of it
    _heard_at = 0.0
    _has_moved = False  # whether the present piece brought content, or ended something
    _writing_since: float | None = None
    _closing_since: float | None = None

    def connection_made(self, transport: Any) -> None:
        self._base.connection_made(transport)
        self._enter(Phase.HEAD)
        self._watch = self.loop.call_later(LOOK_SECONDS, self._look)
        self._admit()

    def connection_lost(self, error: Exception | None) -> None:
        self._watch.cancel()
        if self._holder is not None:
            self.connections_of_server.leave(self._holder)
        self._base.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        for begin in range(0, len(data), PIECE):
            if self._phase is Phase.END or self.transport.is_closing():
                return
            self._receive(data[begin : begin + PIECE])

    def pause_writing(self) -> None:
        self._writing_since = self.loop.time()
        self._base.pause_writing()

    def resume_writing(self) -> None:
        self._writing_since = None
        self._base.resume_writing()

    def send_400_response(self, _said: str) -> None:
        self._end(Ending.NO_HTTP)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a request to upgrade may be answered as any other (RFC 9110 7.8)."""

    # --- what the parsers tell

    def head_began(self) -> None:
        self._enter(Phase.HEAD)

    def head_came(self) -> None:
        self._enter(Phase.BODY)

    def content_came(self, count: int) -> None:
        self._has_moved = True
        self._content += count
        self._parts += 1

    def body_came(self) -> None:
        self._enter(Phase.REQUEST)

    @property
    def is_in_body(self) -> bool:
        return self._phase is Phase.BODY

    # ---

    @property
    def _base(self) -> Any:
        """The protocol of uvicorn's that this is mixed into."""
        return super()

    def _admit(self) -> None:
        """Take a place, or say that there is none."""
        connections = self.connections_of_server
        address = parse_address(self.client[0]) if self.client else None
        holder = holder_of(address, connections.proxies)
        if not connections.enter(holder):
            mine = connections.has_all_its_places(holder)
            self._end(Ending.TOO_MANY if mine else Ending.FULL)
            return
        self._holder = holder
        if connections.is_full:
            self.app = OnlyHealth(self.app)

    def _receive(self, piece: bytes) -> None:
        if self.is_in_body and self.cycle.response_complete:
            self._throw_rest_away()
            return
        self._has_moved = False
        self._base.data_received(piece)
        if self._phase is Phase.END:
            return
        if not self._has_moved and self._phase is Phase.REQUEST:
            self._enter(Phase.HEAD)
        self._received += len(piece)
        self._without_content = 0 if self._has_moved else self._without_content + len(piece)
        if (ending := self._out_of_proportion()) is not None:
            self._end(ending)

    def _out_of_proportion(self) -> Ending | None:
        if len(self.pipeline) > MOST_PIPELINED:
            return Ending.TOO_MANY
        match self._phase:
            case Phase.HEAD if self._received > MOST_HEAD_BYTES:
                return Ending.HEAD_TOO_LARGE
            case Phase.BODY if self._without_content > MOST_WITHOUT_CONTENT:
                return Ending.HEAD_TOO_LARGE
            case Phase.BODY if self._parts > MOST_PARTS + self._content // BYTES_OF_PART:
                return Ending.TINY_CHUNKS
            case Phase.BODY if self._received > MOST_BODY_BYTES:
                return Ending.TOO_LARGE
            case _:
                return None

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._has_moved = True
        self._began = self.loop.time()
        self._received = self._received_by_then = self._without_content = 0
        self._content = self._parts = 0

    def _look(self) -> None:
        now = self.loop.time()
        self._watch = self.loop.call_later(LOOK_SECONDS, self._look)
        if self._closing_since is None and self.transport.is_closing():
            self._closing_since = now
        if self._is_given_up(now):
            self.transport.abort()
        elif self._is_too_slow(now):
            self._end(Ending.TOO_SLOW)

    def _is_given_up(self, now: float) -> bool:
        """Whether nobody takes the answer, or had time enough for our last word."""
        for since in (self._writing_since, self._closing_since):
            if since is not None and now - since > TAKE_SECONDS:
                return True
        is_silent = now - max(self._began, self._heard_at) > LINGER_SECONDS
        is_silent &= not self.transport.get_write_buffer_size()
        return self._phase is Phase.END and (is_silent or now - self._began > LONGEST_LINGER)

    def _is_too_slow(self, now: float) -> bool:
        match self._phase:
            case Phase.HEAD:
                if self._is_answering():  # the request before this one
                    self._began = now
                return now - self._began > HEAD_SECONDS
            case Phase.BODY:
                if self.flow.read_paused or self._comes_on(now):
                    self._began, self._received_by_then = now, self._received
                return now - self._began > BODY_SECONDS
            case Phase.REQUEST | Phase.END:  # uvicorn itself ends those that are idle
                return False

    def _comes_on(self, now: float) -> bool:
        return self._received - self._received_by_then >= SLOWEST * (now - self._began)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end(self, ending: Ending) -> None:
        """Say why, unless an answer has begun, and end the connection once that could be read."""
        if self._phase is Phase.END or self.transport.is_closing():
            return
        refused.note(why=ending.name.lower())
        if self.pipeline:
            self.transport.abort()
            return
        if not (self.cycle.response_started if self.is_in_body else self._is_answering()):
            self.transport.write(ending.as_answer())
        if self._is_answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._throw_rest_away()

    def _throw_rest_away(self) -> None:
        """Say no more, and read without looking at what comes, so that what was said arrives."""
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self._base._unset_keepalive_if_required()
        self._enter(Phase.END)
        self.flow.resume_reading()
        self.flow.resume_writing()  # whoever waits to say more learns that nobody listens
        self.transport.write_eof()
