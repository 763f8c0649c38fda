"""A client that keeps connections busy: each sends its next request once it has its answer."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import cast

KEY = "benchmark"
HEAD = (
    "POST /v1/{kind} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    "Authorization: Basic {key}\r\nContent-Length: {length}\r\n\r\n"
)
PATIENCE_SECONDS = 300
DUPLICATES = 50  # one request in so many is sent again


def requests_of(events_each: int, customers: int = 5_000) -> Iterator[bytes]:
    """Requests without end; every so often one that was sent before."""
    kind = "track" if events_each == 1 else "batch"
    key = base64.b64encode(f"{KEY}:".encode()).decode()
    for number in count():
        first = (number - number // DUPLICATES) * events_each
        events = [_event(first + n, customers) for n in range(events_each)]
        document = events[0] if events_each == 1 else {"batch": events}
        body = json.dumps(document).encode()
        yield HEAD.format(kind=kind, key=key, length=len(body)).encode() + body


def _event(number: int, customers: int) -> dict[str, object]:
    return {
        "messageId": f"0192f1c2-7d3a-7000-8000-{number:012}",
        "type": "track",
        "userId": f"u{number % customers}",
        "event": "Order Completed",
        "timestamp": "2026-03-02T08:59:00Z",
        "properties": {
            "sku": "S1", "price": 19.9, "currency": "EUR", "page": "/p/1", "tags": ["a", "b"],
        },
        "context": {"ip": "10.0.0.1", "locale": "fr-FR"},
    }  # fmt: skip


class Connection(asyncio.Protocol):
    """One kept connection; counts its good answers."""

    def __init__(self, requests: Iterator[bytes], answered: list[int]) -> None:
        self.requests, self.answered, self.unread = requests, answered, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only
        self._send()

    def data_received(self, data: bytes) -> None:
        self.unread += data
        head, found, rest = self.unread.partition(b"\r\n\r\n")
        if not found or len(rest) < _length(head):
            return
        assert head.startswith(b"HTTP/1.1 200"), self.unread[:500]
        self.unread = b""
        self.answered[0] += 1
        self._send()

    def _send(self) -> None:
        if (request := next(self.requests, None)) is not None:
            self.transport.write(request)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)


async def _send_all(port: int, requests: Sequence[bytes], connections: int) -> float:
    answered, left = [0], iter(requests)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(left, answered), "127.0.0.1", port)
    while answered[0] < len(requests):
        await asyncio.sleep(0.005)
    return len(requests) / (time.perf_counter() - began)


def measure(port: int, requests: Sequence[bytes], connections: int) -> float:
    """Requests a second that were answered 200, until all were sent."""
    return asyncio.run(asyncio.wait_for(_send_all(port, requests, connections), PATIENCE_SECONDS))
