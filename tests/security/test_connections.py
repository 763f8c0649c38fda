"""Half requests, sent by sockets to the server as `rekindle up` runs it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import httptools
import pytest
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from rekindle.cli.servers import server_config
from tests.web.conftest import Site
from web import connections
from web.connections import Deadlines

PATIENCE = 20  # seconds; what is to end ends after parts of one
POST = b"POST /v1/batch HTTP/1.1\r\nhost: 127.0.0.1\r\n"
GET = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n"
PROTOCOLS = ("httptools", "h11")


@pytest.fixture(params=PROTOCOLS)
def port(
    request: pytest.FixtureRequest, small_house: Site, monkeypatch: pytest.MonkeyPatch
) -> Iterator[int]:
    """A real server with short deadlines, once with each of uvicorn's parsers."""
    assert httptools.__version__
    for name, seconds in (
        ("HEAD_SECONDS", 0.3),
        ("BODY_SECONDS", 0.4),
        ("LOOK_AGAIN_SECONDS", 0.2),
    ):
        monkeypatch.setattr(connections, name, seconds)
    app = small_house.client.app
    assert isinstance(app, Starlette)
    config = server_config(app, "127.0.0.1", 0)
    if request.param == "h11":
        config.http = type("BoundedH11", (Deadlines, H11Protocol), {})
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def call(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


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


@pytest.mark.parametrize(
    ("half", "status"),
    [
        (b"", "HTTP/1.1 408 Request Timeout"),
        (GET, "HTTP/1.1 408 Request Timeout"),
        (POST + b"content-length: 90\r\n", "HTTP/1.1 408 Request Timeout"),
        # nobody waits for the body of a stranger, and nobody lets it drip on
        (POST + b"content-length: 90000\r\n\r\nabc", "HTTP/1.1 408 Request Timeout"),
        (
            POST + b"authorization: Basic d2tfZ3Vlc3M6\r\ncontent-length: 90\r\n\r\nabc",
            "HTTP/1.1 401 Unauthorized",
        ),
        (
            POST + b"authorization: Basic d2tfc2VydmVyOg==\r\ncontent-length: 90\r\n\r\nabc",
            "HTTP/1.1 408 Request Timeout",
        ),
        (POST + b"transfer-encoding: chunked\r\n\r\n5\r\nabc", "HTTP/1.1 408 Request Timeout"),
    ],
)
def test_a_half_request_ends(port: int, half: bytes, status: str):
    with call(port) as caller:
        caller.sendall(half)

        assert status_of(read_all(caller)) == status


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
    key = b"authorization: Basic d2tfc2VydmVyOg==\r\n"
    with call(port) as caller:
        caller.sendall(POST + key + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
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
