"""HTTP requests out: one deadline for the whole call, no redirects, no more read than is wanted.

Credentials and signatures are meant for one address; whoever answers with another one gets nothing.
Proxies are taken from the environment, as everywhere in Python.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import (
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from adapters.deadline import Deadline, DeadlineSocket, DeadlineTlsSocket, connect
from adapters.reach import Reach, as_resolved

MOST_BYTES = 64 * 1024  # of an answer's body: enough for what an API says is wrong
LONGEST_RETRY_AFTER = timedelta(days=1)


class NotSent(Exception):
    """The request did not leave whole, so that nobody can have acted on it."""


class CutOff(NotSent):
    """The other side took the connection and stopped reading: perhaps for what it was sent."""


class NotAnswered(Exception):
    """The request left, and no answer that makes sense came back in time."""


@dataclass(frozen=True)
class HttpAnswer:
    """What was answered, whatever its status."""

    status: int
    headers: Message
    body: bytes  # as far as it was read: never more than was asked for

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        return 300 <= self.status < 400


def post(
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    seconds: float,
    most_bytes: int = MOST_BYTES,
    reach: Reach | None = None,
) -> HttpAnswer:
    """POST `body`, all done within `seconds`, to nobody out of `reach`. Raises NotSent and
    NotAnswered.
    """
    try:
        request = _Request(with_ascii_host(url), body, headers, method="POST")
        request.reach = reach
    except ValueError as error:
        raise NotSent(_words(error)) from error
    return send_request(request, seconds, most_bytes)


def with_ascii_host(url: str) -> str:
    """Return `url` with its host as name servers know it, because headers hold nothing else."""
    parts = urlsplit(url)
    before, at, place = parts.netloc.rpartition("@")
    host, colon, port = place.partition(":")
    if host.isascii():
        return url
    return urlunsplit(parts._replace(netloc=f"{before}{at}{as_resolved(host)}{colon}{port}"))


def send_request(request: Request, seconds: float, most_bytes: int = MOST_BYTES) -> HttpAnswer:
    """Return the answer to `request`, redirects included. Raises NotSent and NotAnswered."""
    try:
        response = _opener().open(request, timeout=seconds)
    except URLError as error:
        raise NotSent(_words(error.reason)) from error
    except (OSError, HTTPException, ValueError) as error:  # or what cannot be written at all
        raise NotSent(_words(error)) from error
    with response:
        return HttpAnswer(response.status, response.headers, _read(response, most_bytes))


def read_retry_after(headers: Message, now: datetime) -> timedelta | None:
    """Return how long `Retry-After` asks us to wait, in seconds or as a date (RFC 9110 10.2.3).

    A date is the server's, and so is counted from the server's own time.
    """
    written = str(headers.get("Retry-After", "")).strip()
    if written.isascii() and written.isdigit():
        return wait_of(float(written[:12]))
    until = _read_date(written)
    if until is None:
        return None
    return wait_of((until - answered_at(headers, now)).total_seconds())


def answered_at(headers: Message, now: datetime) -> datetime:
    """Return the server's own time of an answer (RFC 9110 6.6.1), `now` where it does not say: our
    clock may be wrong, and a wait that is asked for by the clock is by theirs.
    """
    return _read_date(str(headers.get("Date", ""))) or now


def _read_date(written: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(written)
    except (TypeError, ValueError, OverflowError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def wait_of(seconds: float) -> timedelta:
    """Return a wait that somebody else asked for, within what anybody may ask for."""
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_RETRY_AFTER.total_seconds()))


class _Request(Request):
    reach: Reach | None = None


class _Connection(HTTPConnection):
    """A connection whose `timeout` is for all that is done on it."""

    is_cut = False  # the server stopped reading before the request had left whole

    def __init__(self, *arguments: Any, reach: Reach | None = None, **known: Any) -> None:
        super().__init__(*arguments, **known)
        self._reach = reach
        self._deadline = Deadline.after(self.timeout or 0)
        self._create_connection = self._connect  # what urllib opens sockets with

    def _connect(self, address: tuple[str, int], *_more: Any) -> DeadlineSocket:
        return connect(*address, self._deadline, self._reach)

    def send(self, data: Any) -> None:
        is_open = self.sock is not None
        try:
            super().send(data)
        except OSError as error:
            if not is_open:
                raise
            if not isinstance(error, BrokenPipeError | ConnectionResetError):
                self.close()
                raise CutOff(_words(error)) from error
            # a server that has read enough answers (401, 413) and closes: hear what it said
            self.is_cut = True

    def getresponse(self) -> HTTPResponse:
        try:
            return super().getresponse()
        except (OSError, HTTPException, ValueError) as error:
            if self.is_cut:
                raise CutOff(_words(error)) from error
            raise NotAnswered(_words(error)) from error


class _TlsConnection(_Connection, HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        assert isinstance(self.sock, DeadlineTlsSocket)
        self.sock.deadline = self._deadline


class _HttpHandler(HTTPHandler):
    def http_open(self, request: Request) -> HTTPResponse:
        return self.do_open(_Connection, request, reach=_reach_of(request))


class _HttpsHandler(HTTPSHandler):
    def https_open(self, request: Request) -> HTTPResponse:
        reach = _reach_of(request)
        return self.do_open(_TlsConnection, request, context=_tls_context(), reach=reach)


def _reach_of(request: Request) -> Reach | None:
    """Return where its connection may go. Raises NotAllowed for what a proxy should not fetch."""
    reach = request.reach if isinstance(request, _Request) else None
    parts = urlsplit(request.full_url)
    if reach is not None and request.host != parts.netloc:  # of the proxy
        port = parts.port or (443 if parts.scheme == "https" else 80)
        reach.check_behind_proxy(parts.hostname or "", port)
    return reach


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.sslsocket_class = DeadlineTlsSocket
    return context


@lru_cache(maxsize=1)
def _opener() -> OpenerDirector:
    """An opener that knows HTTP and proxies; of redirects and statuses it makes nothing."""
    opener = OpenerDirector()
    for handler in (ProxyHandler(), UnknownHandler(), _HttpHandler(), _HttpsHandler()):
        opener.add_handler(handler)
    return opener


def _read(response: HTTPResponse, most_bytes: int) -> bytes:
    """Read what came of the body; the status says enough where it breaks off."""
    body = b""
    try:
        while len(body) < most_bytes and (piece := response.read1(most_bytes - len(body))):
            body += piece
    except (OSError, HTTPException, ValueError):
        pass
    return body


def _words(error: object) -> str:
    return str(error) or type(error).__name__
