"""Requests out: they end in time, go to one address, and read no more than they want."""

import time
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime

import pytest
from werkzeug import Response

from adapters import http
from adapters.deadline import DeadlineTlsSocket
from adapters.http import NotAnswered, NotSent, post, read_retry_after
from tests.raw_server import RawServer, drip
from tests.servers import free_port

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def call(server, body=b"{}", **known):
    url = f"http://127.0.0.1:{server.port}/"
    return post(url, body, {"Authorization": "secret"}, **{"seconds": 5, **known})


def read_request(connection):
    return connection.recv(65_536)


def test_an_answer_comes_back_whatever_its_status(httpserver):
    httpserver.expect_request("/").respond_with_data("no", status=403, headers={"X-A": "b"})

    answer = post(httpserver.url_for("/"), b"{}", {}, seconds=5)

    assert (answer.status, answer.headers["x-a"], answer.body) == (403, "b", b"no")


@pytest.mark.parametrize(
    "dripped",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-Drip: a\r\n" * 1000,
        b"H" * 10_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    ],
    ids=["headers", "a status without end", "go on for ever"],
)
def test_a_receiver_that_drips_ends_at_the_deadline(dripped):
    def talk(connection, ended):
        read_request(connection)
        drip(connection, dripped, ended)

    with RawServer(talk) as server:
        started = time.monotonic()
        with pytest.raises(NotAnswered):
            call(server, seconds=0.3)

        assert time.monotonic() - started < 5


def test_the_deadline_holds_on_encrypted_connections(certificate, monkeypatch):
    theirs, trusting = certificate
    monkeypatch.setattr(http, "_tls_context", lambda: trusting)
    trusting.sslsocket_class = DeadlineTlsSocket

    def talk(connection, ended):
        with theirs.wrap_socket(connection, server_side=True) as encrypted:
            read_request(encrypted)
            drip(encrypted, b"HTTP/1.1 200 OK\r\n" + b"X-Drip: a\r\n" * 1000, ended)

    with RawServer(talk) as server:
        started = time.monotonic()
        with pytest.raises(NotAnswered):
            post(f"https://127.0.0.1:{server.port}/", b"{}", {}, seconds=0.3)

        assert time.monotonic() - started < 5


def test_a_body_that_drips_is_read_until_the_deadline_and_the_status_counts():
    def talk(connection, ended):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100000\r\n\r\n")
        drip(connection, b"x" * 100_000, ended)

    with RawServer(talk) as server:
        started = time.monotonic()

        assert call(server, seconds=0.3).status == 202
        assert time.monotonic() - started < 5


def test_a_receiver_that_does_not_read_ends_at_the_deadline():
    def talk(connection, ended):
        ended.wait(10)

    with RawServer(talk) as server:
        started = time.monotonic()
        with pytest.raises(NotSent):
            call(server, body=b"x" * 30_000_000, seconds=0.3)

        assert time.monotonic() - started < 5


def test_a_body_without_end_is_not_read():
    def talk(connection, ended):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not ended.is_set():
            connection.sendall(b"x" * 65_536)

    with RawServer(talk) as server:
        assert len(call(server, most_bytes=1000).body) == 1000


def test_no_redirect_is_followed(httpserver):
    moved = Response(status=302, headers={"Location": httpserver.url_for("/moved")})
    httpserver.expect_request("/").respond_with_response(moved)

    answer = post(httpserver.url_for("/"), b"{}", {"Authorization": "secret"}, seconds=5)

    assert (answer.status, answer.is_redirect) == (302, True)
    assert [request.path for request, _ in httpserver.log] == ["/"]


def test_an_answer_before_the_request_was_read_is_heard():
    def talk(connection, ended):
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    with RawServer(talk) as server:
        assert call(server, body=b"x" * 30_000_000).status == 413


def test_what_never_left_whole_is_told_from_what_was_not_answered():
    with pytest.raises(NotSent, match="refused"):
        post(f"http://127.0.0.1:{free_port()}/", b"", {}, seconds=5)
    with pytest.raises(NotSent):
        post("gopher://127.0.0.1/", b"", {}, seconds=5)
    with pytest.raises(NotSent):
        post("http://127.0.0.1/", b"", {"X": "a\r\nb"}, seconds=5)
    for garbage in (b"", b"\x00\xff\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 2"):

        def talk(connection, ended, said=garbage):
            read_request(connection)
            connection.sendall(said)

        with RawServer(talk) as server, pytest.raises(NotAnswered):
            call(server)


@pytest.mark.parametrize(
    ("written", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("Mon, 30 Nov 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Mon, 30 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("99999999999999999999", timedelta(days=1)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(days=1)),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_both_spellings(written, wait):
    headers = Message()
    headers["Retry-After"] = written

    assert read_retry_after(headers, NOON) == wait


@pytest.mark.parametrize("ours", [timedelta(days=-1), timedelta(), timedelta(days=1)], ids=str)
def test_a_date_to_wait_for_is_by_the_clock_of_whoever_names_it(ours: timedelta) -> None:
    headers = Message()
    headers["Date"] = format_datetime(NOON, usegmt=True)
    headers["Retry-After"] = format_datetime(NOON + timedelta(minutes=1), usegmt=True)

    assert read_retry_after(headers, NOON + ours) == timedelta(minutes=1)
