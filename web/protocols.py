"""uvicorn's two protocols for HTTP/1, with bounds: each says how far a request has come.

Source: uvicorn 0.54, `protocols/http/`, read 2026-11.
"""

import logging
from asyncio import Protocol
from collections.abc import Sequence
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapters.reach import Network
from web.connections import MOST_HEAD_BYTES, Bounded, Connections


class BoundedH11(Bounded, H11Protocol):
    """In pure Python, which is always there."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.conn = Heard(self)


class Heard(h11.Connection):
    """h11's reader of requests, of which a connection hears what was read."""

    def __init__(self, listener: Bounded) -> None:
        # a little more than we allow, so that it is we who say so
        super().__init__(h11.SERVER, max_incomplete_event_size=2 * MOST_HEAD_BYTES)
        self._listener = listener

    def next_event(self) -> Any:
        event = super().next_event()
        match event:
            case h11.Request():
                self._listener.head_came()
            case h11.Data(data=data):
                self._listener.content_came(len(data))
            case h11.EndOfMessage():
                self._listener.body_came()
            case _:
                pass
        return event


try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:  # it comes with `rekindle[speed]`
    Chosen: type[Bounded] = BoundedH11
else:

    class BoundedHttptools(Bounded, HttpToolsProtocol):
        """In C, whose parser calls these methods."""

        def on_header(self, name: bytes, value: bytes) -> None:
            """Leave out trailers: nobody reads them, and uvicorn puts them among the headers."""
            if not self.is_in_body:
                super().on_header(name, value)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.head_began()

        def on_headers_complete(self) -> None:
            """Raises ValueError, which is answered 400, unless one host is named (RFC 9112 3.2)."""
            hosts = sum(name == b"host" for name, _ in self.headers)
            if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
                raise ValueError("a request names one host")
            super().on_headers_complete()
            self.head_came()

        def on_body(self, body: bytes) -> None:
            super().on_body(body)
            self.content_came(len(body))

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self.body_came()

    Chosen = BoundedHttptools


def _is_news(record: logging.LogRecord) -> bool:
    """False for what strangers can cause as often as they like; we count it."""
    return record.msg != "Invalid HTTP request received."


def bounded_protocol(
    proxies: Sequence[Network], protocol: type[Bounded] = Chosen
) -> type[Protocol]:
    """The protocol for one server: the faster one that is installed."""
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    bounds = {"connections_of_server": Connections(proxies)}
    return cast("type[Protocol]", type(protocol.__name__, (protocol,), bounds))
