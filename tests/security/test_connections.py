"""Requests that no client sends, by sockets to the server as `rekindle up` runs it."""

import select
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_network

import httptools
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from adapters.reach import Network
from rekindle.cli.servers import server_config
from tests.web.conftest import Site
from web import connections, shares
from web.connections import Bounded
from web.protocols import BoundedH11, BoundedHttptools, bounded_protocol

PATIENCE = 20  # seconds; what is to end ends after parts of one
POST = b"POST /v1/batch HTTP/1.1\r\nhost: 127.0.0.1\r\n"
GET = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n"
KEY = b"authorization: Basic d2tfc2VydmVyOg==\r\n"
STRANGE = b"authorization: Basic d2tfZ3Vlc3M6\r\n"
PROTOCOLS = (BoundedHttptools, BoundedH11)
LOOPBACK = (ip_network("127.0.0.0/8"),)
MOST_MEMORY = 6_000_000  # bytes; ours and that of whoever attacks, in one process
MUCH = 24_000_000  # bytes


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Bounded]:
    """Each of uvicorn's parsers, with little patience."""
    assert httptools.__version__
    for name, seconds in (
        ("HEAD_SECONDS", 0.3),
        ("BODY_SECONDS", 0.4),
        ("TAKE_SECONDS", 0.4),
        ("LINGER_SECONDS", 0.2),
        ("LOOK_SECONDS", 0.1),
    ):
        monkeypatch.setattr(connections, name, seconds)
    chosen: type[Bounded] = request.param
    return chosen


@contextmanager
def listening(
    app: Starlette, protocol: type[Bounded], proxies: Sequence[Network] = LOOPBACK
) -> Iterator[int]:
    """The port of a real server."""
    app.state.trusted_proxies = proxies
    config = server_config(app, "127.0.0.1", 0)
    config.http = bounded_protocol(proxies, protocol)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def app_of(house: Site) -> Starlette:
    app = house.client.app
    assert isinstance(app, Starlette)
    return app


@pytest.fixture
def port(small_house: Site, protocol: type[Bounded]) -> Iterator[int]:
    with listening(app_of(small_house), protocol) as port:
        yield port


def call(port: int, client: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE, (client, 0))


def ask(port: int, said: bytes, client: str = "127.0.0.1") -> str:
    with call(port, client) as caller:
        caller.sendall(said + b"connection: close\r\n\r\n")
        return status_of(read_all(caller))


def read_all(caller: socket.socket) -> bytes:
    """What is said until the other side ends the connection; TimeoutError if it never does."""
    said = b""
    try:
        while part := caller.recv(65_536):
            said += part
    except ConnectionResetError:
        pass
    return said


def status_of(said: bytes) -> str:
    return said.partition(b"\r\n")[0].decode()


def test_a_half_request_ends(port: int):
    halves = {
        b"": "408 Request Timeout",
        GET: "408 Request Timeout",
        POST + b"content-length: 90\r\n": "408 Request Timeout",
        # nobody waits for the body of a stranger, and nobody lets it drip on
        POST + b"content-length: 90000\r\n\r\nabc": "408 Request Timeout",
        POST + STRANGE + b"content-length: 90\r\n\r\nabc": "401 Unauthorized",
        POST + KEY + b"content-length: 90\r\n\r\nabc": "408 Request Timeout",
        POST + b"transfer-encoding: chunked\r\n\r\n5\r\nabc": "408 Request Timeout",
    }
    with ExitStack() as stack:
        callers = {half: stack.enter_context(call(port)) for half in halves}
        for half, caller in callers.items():
            caller.sendall(half)
        said = {half: status_of(read_all(caller)) for half, caller in callers.items()}

    assert said == {half: f"HTTP/1.1 {status}" for half, status in halves.items()}


@pytest.mark.parametrize(
    "begin", [GET + b"x-a: ", POST + b"content-length: 9000000\r\n\r\n"], ids=["head", "body"]
)
def test_what_drips_ends(port: int, begin: bytes):
    with call(port) as caller:
        caller.sendall(begin)
        is_over = threading.Event()

        def drip() -> None:
            try:
                while not is_over.wait(0.05):
                    caller.sendall(b"a")
            except OSError:
                pass

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            read_all(caller)
        finally:
            is_over.set()
            thread.join()


def test_a_second_half_request_on_a_connection_ends_too(port: int):
    with call(port) as caller:
        caller.sendall(GET + b"\r\n")
        assert caller.recv(65_536).startswith(b"HTTP/1.1 200")
        caller.sendall(GET)

        assert status_of(read_all(caller)) == "HTTP/1.1 408 Request Timeout"


def test_an_endless_head_ends_before_its_time(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 3_600.0)
    with call(port) as caller:
        with suppress(OSError):
            caller.sendall(GET + b"x-a: " + b"a" * 1_000_000)
        said = read_all(caller)

    assert b"200" not in said.partition(b"\r\n")[0]


def test_a_body_that_comes_on_is_taken_however_long_it_takes(
    port: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "SLOWEST", 1)
    body = b'{"batch": [{"type": "page", "userId": "ana"}]}'
    with call(port) as caller:
        caller.sendall(POST + KEY + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 5):
            caller.sendall(body[at : at + 5])
            time.sleep(0.1)

        assert status_of(read_all(caller)) == "HTTP/1.1 200 OK"


def test_whole_requests_follow_one_another_on_one_connection(port: int):
    with call(port) as caller:
        for _ in range(3):
            caller.sendall(GET + b"\r\n")
            assert caller.recv(65_536).startswith(b"HTTP/1.1 200")
            time.sleep(0.2)


def flood(caller: socket.socket, unit: bytes) -> bytes:
    """Send `unit` again and again until there is an answer; return that."""
    unit *= 8_192 // len(unit) + 1
    sent = 0
    with suppress(OSError):
        while sent < MUCH and not select.select([caller], [], [], 0)[0]:
            sent += caller.send(unit)
    assert sent < MUCH, "nobody ended it"
    return read_all(caller)


CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
FLOODS = {
    "head of many lines": (GET, b"x-a: b\r\n"),
    "head of one line": (GET + b"x-a: ", b"a"),
    "address": (b"GET /", b"a"),
    "method": (b"", b"A"),
    "empty lines": (b"", b"\r\n"),
    "trailers": (POST + CHUNKED + b"2\r\n{}\r\n0\r\n", b"x-a: b\r\n"),
    "trailers with a key": (POST + KEY + CHUNKED + b"2\r\n{}\r\n0\r\n", b"x-a: b\r\n"),
    "trailer of one line": (POST + CHUNKED + b"2\r\n{}\r\n0\r\nx-a: ", b"a"),
    "size of a chunk": (POST + CHUNKED, b"0"),
    "extension of a chunk": (POST + KEY + CHUNKED + b"2;a=", b"a"),
    "extension of the last chunk": (POST + CHUNKED + b"2\r\n{}\r\n0;a=", b"a"),
    "pipelined requests": (b"", GET + b"\r\n"),
    "pipelined bodies": (b"", POST + b"content-length: 2\r\n\r\n{}"),
}


def test_a_flood_ends_before_it_takes_memory(port: int):
    peaks = {}
    for name, (begin, unit) in FLOODS.items():
        with call(port) as caller:
            tracemalloc.start()
            try:
                caller.sendall(begin)
                flood(caller, unit)
                peaks[name] = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert max(peaks.values()) < MOST_MEMORY, peaks
    assert ask(port, GET) == "HTTP/1.1 200 OK"


def test_what_is_too_much_beside_a_body_is_told(port: int):
    for name in ("trailers", "trailer of one line", "extension of a chunk"):
        begin, unit = FLOODS[name]
        with call(port) as caller:
            caller.sendall(begin.replace(POST, POST + KEY))
            said = flood(caller, unit)

        assert status_of(said) == "HTTP/1.1 431 Request Header Fields Too Large", name


def test_a_body_has_a_bound_on_the_wire(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "MOST_BODY_BYTES", 200_000)
    with call(port) as caller:
        caller.sendall(POST + KEY + CHUNKED)

        said = flood(caller, b"5a\r\n%s\r\n" % (b" " * 90))

    assert status_of(said) == "HTTP/1.1 413 Content Too Large"


def test_a_large_body_has_more_content_than_wrapping(port: int):
    for chunk in (b"1\r\n \r\n", b"10;%s\r\n%s\r\n" % (b"x" * 90, b" " * 16)):
        with call(port) as caller:
            caller.sendall(POST + KEY + CHUNKED)
            said = flood(caller, chunk)

        assert b"chunks of this body are too small" in said


def test_what_comes_after_the_answer_is_not_looked_at(port: int):
    with call(port) as caller:
        caller.sendall(POST + CHUNKED + 2 * (b"ffff\r\n%s\r\n" % (b"a" * 65_535)))
        time.sleep(0.2)
        caller.sendall(b"this is no chunk\r\n")
        said = read_all(caller)

    assert status_of(said) == "HTTP/1.1 401 Unauthorized"
    assert said.count(b"HTTP/1.1") == 1


def test_a_body_in_small_chunks_with_short_trailers_is_taken(port: int):
    body = b'{"type": "page", "userId": "ana"}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    with call(port) as caller:
        caller.sendall(
            b"POST /v1/page HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + KEY + CHUNKED + chunks
        )
        caller.sendall(b"0\r\nx-checksum: 1\r\n\r\n")

        assert status_of(read_all(caller)) == "HTTP/1.1 200 OK"


def test_what_is_no_request_is_told_so_in_our_words(port: int, caplog: pytest.LogCaptureFixture):
    for said in (
        b"GET /healthz HTTP/1.1\r\n\r\n",
        GET + b"host: evil.example\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n",
    ):
        with call(port) as caller:
            caller.sendall(said)
            answer = read_all(caller)
        assert status_of(answer).split()[1] in ("400", "404"), said
        assert b"Invalid" not in answer
    assert caplog.records == []


def test_nobody_is_upgraded_or_asks_for_it_in_the_log(port: int, caplog: pytest.LogCaptureFixture):
    key = b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    for upgrade in (b"h2c", b"websocket", b"tls/1.0"):
        asked = b"connection: upgrade, close\r\nupgrade: %s\r\n" % upgrade
        with call(port) as caller:
            caller.sendall(GET + asked + key + b"\r\n")

            assert status_of(read_all(caller)) == "HTTP/1.1 200 OK"
    assert caplog.records == []


async def echo(request: Request) -> Response:
    await request.body()
    return JSONResponse([name for name, _ in Request(request.scope).headers.items()])


async def tell_much(_request: Request) -> Response:
    return PlainTextResponse(b"a" * 40_000_000)


ROUTES = [Route("/echo", echo, methods=["POST"]), Route("/much", tell_much)]


def test_trailers_are_no_headers(protocol: type[Bounded]):
    with listening(Starlette(routes=ROUTES), protocol) as port, call(port) as caller:
        caller.sendall(b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + CHUNKED)
        caller.sendall(b"2\r\n{}\r\n0\r\nx-forwarded-for: 127.0.0.1\r\n\r\n")

        assert b"forwarded" not in read_all(caller)


def test_an_answer_that_nobody_takes_is_given_up(protocol: type[Bounded]):
    with listening(Starlette(routes=ROUTES), protocol) as port, call(port) as caller:
        caller.sendall(b"GET /much HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(1.5)

        assert len(read_all(caller)) < 40_000_000


def held(port: int, count: int, stack: ExitStack, head: bytes, client: str = "127.0.0.1") -> None:
    """So many connections that have begun something."""
    for _ in range(count):
        stack.enter_context(call(port, client)).sendall(head)
    time.sleep(0.1)


def test_a_client_has_a_share_of_the_connections_and_others_have_theirs(
    small_house: Site, protocol: type[Bounded], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "HEAD_SECONDS", PATIENCE)
    monkeypatch.setattr(connections, "MOST_OF_ONE", 3)
    with listening(app_of(small_house), protocol, proxies=()) as port:
        with ExitStack() as stack:
            held(port, 3, stack, GET)
            assert ask(port, GET) == "HTTP/1.1 429 Too Many Requests"
            assert ask(port, GET, client="127.0.0.2") == "HTTP/1.1 200 OK"
        time.sleep(0.3)

        assert ask(port, GET) == "HTTP/1.1 200 OK"


def test_a_proxy_has_no_share_but_its_clients_have(
    small_house: Site, protocol: type[Bounded], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "BODY_SECONDS", PATIENCE)
    monkeypatch.setattr(connections, "MOST_OF_ONE", 3)
    monkeypatch.setattr(shares, "MOST_OF_ONE", 3)
    half = POST + KEY + b"content-length: 9\r\nx-forwarded-for: %s\r\n\r\n{"
    page = b"GET /p/x HTTP/1.1\r\nhost: 127.0.0.1\r\nx-forwarded-for: %s\r\n"
    with listening(app_of(small_house), protocol) as port, ExitStack() as stack:
        held(port, 3, stack, half % b"203.0.113.9")

        assert ask(port, page % b"203.0.113.9") == "HTTP/1.1 429 Too Many Requests"
        assert ask(port, page % b"198.51.100.7") == "HTTP/1.1 404 Not Found"
        assert ask(port, GET + b"x-forwarded-for: 203.0.113.9\r\n") == "HTTP/1.1 200 OK"


def test_health_is_told_when_all_connections_are_taken(
    small_house: Site, protocol: type[Bounded], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "HEAD_SECONDS", PATIENCE)
    monkeypatch.setattr(connections, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(connections, "FOR_HEALTH", 2)
    with listening(app_of(small_house), protocol) as port, ExitStack() as stack:
        held(port, 3, stack, GET)
        assert ask(port, GET) == "HTTP/1.1 200 OK"
        assert ask(port, b"GET / HTTP/1.1\r\nhost: x\r\n") == "HTTP/1.1 503 Service Unavailable"
        held(port, 2, stack, GET)

        assert ask(port, GET) == "HTTP/1.1 503 Service Unavailable"
