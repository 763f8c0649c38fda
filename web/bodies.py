"""Request bodies: read no further than is asked for, with a bound before and after unpacking.

Large ones are few at a time, and are unpacked and parsed in threads of their own, so that nobody
else waits for them.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from rekindle.errors import Malformed, TooLarge, TooMuch
from web.requests import shared
from web.room import Room

T = TypeVar("T")
GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 31  # zlib's way to say: with a gzip header
# bytes: what is read before it is known who sends it, and what is parsed on the event loop, where
# everybody else waits for it
SMALL = 64 * 1024
MOST_LARGE = 32  # bodies held at a time; with 4 MiB each that is 128 MiB
MOST_LARGE_OF_ONE = 8  # of one sender, so that no key takes the room of all others
WAIT = timedelta(seconds=2)
PARSERS = ThreadPoolExecutor(2, "parse")


class Body:
    """The body of a request as sent. Every method raises Malformed if its sender went away, and
    TooLarge if it is larger than `most_bytes`.
    """

    def __init__(self, request: Request, most_bytes: int) -> None:
        self._chunks = request.stream()
        self._read = bytearray()
        self._most_bytes = most_bytes
        self.is_whole = False
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > most_bytes:
            raise self._too_large()

    async def begin(self) -> bytes:
        """At most `SMALL` bytes of it, the whole if it has no more."""
        while len(self._read) <= SMALL and not self.is_whole:
            await self._read_on()
        return bytes(self._read[:SMALL])

    async def whole(self) -> bytes:
        while not self.is_whole:
            await self._read_on()
        return bytes(self._read)

    @property
    def is_small(self) -> bool:
        return self.is_whole and len(self._read) <= SMALL

    async def _read_on(self) -> None:
        try:
            chunk = await anext(self._chunks, None)
        except ClientDisconnect as error:
            raise Malformed("the body ended early.") from error
        if chunk is None:
            self.is_whole = True
            return
        self._read += chunk
        if len(self._read) > self._most_bytes:
            raise self._too_large()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is larger than {self._most_bytes} bytes.")


@dataclass(frozen=True)
class Content:
    """What a body holds, unpacked."""

    data: bytes
    is_small: bool

    async def apply(self, work: Callable[[], T]) -> T:
        """What `work` makes of it: in a thread where it is large."""
        return work() if self.is_small else await run_apart(work)


class LargeBodies(Room):
    """The large bodies that are held at present, by their senders."""

    def __init__(self) -> None:
        super().__init__(MOST_LARGE, MOST_LARGE_OF_ONE)

    @contextmanager
    def hold(self, sender: str) -> Iterator[None]:
        """Raises TooMuch where there is no room for one more."""
        if not self.enter(sender):
            raise TooMuch("too many large bodies at once; send it again.", WAIT)
        try:
            yield
        finally:
            self.leave(sender)


@asynccontextmanager
async def open_body(
    request: Request, body: Body, sender: str, *, unpacks_to: int | None = None
) -> AsyncIterator[Content]:
    """What `body` holds; while a large one is in use, there is room for one less.

    `unpacks_to`: at most so many bytes, without its content encoding; None: as it came.
    Raises Malformed, TooLarge, TooMuch.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    begun = await body.begin()
    if body.is_small and (small := _small(begun, encoding, is_packed=unpacks_to is not None)):
        yield small
        return
    with shared(request, LargeBodies).hold(sender):
        data = await body.whole()
        if unpacks_to is not None:
            data = await run_apart(partial(unpack, data, encoding, unpacks_to))
        yield Content(data, is_small=False)


def _small(data: bytes, encoding: str, *, is_packed: bool) -> Content | None:
    """None for what is small only as long as it is packed."""
    try:
        return Content(unpack(data, encoding, SMALL) if is_packed else data, is_small=True)
    except TooLarge:
        return None


async def run_apart(work: Callable[[], T]) -> T:
    """What `work` returns or raises, done in a thread that parses; few do at a time."""
    return await asyncio.get_running_loop().run_in_executor(PARSERS, work)


def unpack(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """`body` without its content encoding; told by its content, because labels are often wrong.

    Raises Malformed if it cannot be unpacked, TooLarge if it would grow beyond `most_bytes`.
    """
    if not body.startswith(GZIP_MAGIC):
        if encoding in ("", "identity", "gzip"):
            return body
        raise Malformed(f"bodies come plain or with gzip, not with {encoding[:40]!r}.")
    gzip = zlib.decompressobj(GZIP_WINDOW)
    try:
        unpacked = gzip.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise Malformed("the body is not gzip as it says.") from error
    if len(unpacked) > most_bytes:
        raise TooLarge(f"the unpacked body is larger than {most_bytes} bytes.")
    if not gzip.eof:
        raise Malformed("the gzip body ends early.")
    return unpacked
