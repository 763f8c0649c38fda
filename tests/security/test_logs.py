"""What is written to logs holds nobody's address, and no value of a statement."""

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from traceback import format_exception
from urllib.parse import quote, urlencode

import pytest
import structlog
from sqlalchemy import insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from rekindle.clock import SystemClock
from rekindle.errors import StoreUnavailable
from rekindle.logs import configure_logs, redact
from store.session import Store
from store.tables import messages, traits, users
from tests.deployments import command_in, post, started
from tests.email_server import SmtpServer
from tests.servers import free_port
from tests.shop import LAYOUT, Shop

ADDRESSES = (
    "ana@example.com", "Ana.Maria+shop@Example.co.uk", "o'hara@example.com", '"a b"@example.com',
    "ana@[192.0.2.1]", "آنا@example.com", "ana@bücher.example", "a=b@example.com",
    "x_-%@example.com",
)  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "line",
    [
        "{}", "550 5.1.1 <{}>: Recipient address rejected", "GET /customers?query={}&x=1",
        "KeyError: '{}'", "mailto:{}", "{{'email': '{}'}}", "to={} from={}", "({}, 1)",
    ],
)  # fmt: skip
def test_no_address_is_left_in_a_line(line: str, address: str):
    mailbox = address.rpartition("@")[0].strip('"')[-2:]
    for written in (address, quote(address)):
        redacted = redact(line.replace("{}", written))

        assert "@example" not in redacted.lower()
        assert written not in redacted
        assert f"{mailbox}@" not in redacted


def test_what_names_nobody_stays():
    line = "work.failed actor=evaluate reason='OperationalError at pool.py:3: it is away' 2 @ 3"

    assert redact(line) == line


def test_the_row_that_a_database_quotes_is_left_out():
    said = (
        'duplicate key value violates "uq"\nDETAIL:  Key (phone)=(+49 170 1234) exists.\n[SQL: …]'
    )

    assert redact(said) == 'duplicate key value violates "uq"\nDETAIL: …\n[SQL: …]'


def test_no_error_of_a_database_holds_what_was_asked_for(store: Store):
    queries = [
        select(messages.c.id).where(text("no_such_column = :a").bindparams(a="ana@example.com")),
        insert(users).values(email="ana@example.com", password_hash=None),
    ]
    for query in queries:
        for opened in (store.begin, store.read):
            with pytest.raises((SQLAlchemyError, StoreUnavailable)) as caught, opened() as asked:
                asked.execute(query)
            said = "".join(format_exception(caught.value))
            assert "hide_parameters=True" in said
            assert "ana@example.com" not in redact(said)


def test_every_way_to_log_is_redacted(capsys: pytest.CaptureFixture[str]):
    def fail() -> None:
        raise KeyError("ana@example.com")

    before = structlog.get_config(), threading.excepthook
    try:
        configure_logs()
        configure_logs()
        structlog.get_logger().warning(
            "a.line", said=["<ana@example.com>", {"a": "ana@example.com"}]
        )
        handler = logging.lastResort
        assert handler is not None
        try:
            fail()
        except KeyError as error:
            trace = (KeyError, error, error.__traceback__)
            record = logging.LogRecord(
                "uvicorn.error", 40, "x", 1, "failed %s", ("ana@x.y",), trace
            )
            handler.handle(record)
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    finally:
        structlog.configure(**before[0])
        threading.excepthook = before[1]

    said = capsys.readouterr().err
    assert said.count("…@…") >= 4
    assert "ana@" not in said
    assert "line" in said
    assert "in fail" in said  # where it failed is told
    assert "uvicorn.error" in said  # in the form of our own lines
    assert "ERROR:" not in said


WELCOME = """
journey: welcome
topic: service
start:
  - event: account.created
steps:
  - send: welcome
"""
SETTINGS = """
brand: {{name: Shop, zone: UTC, address: "1 Street"}}
sender: {{from: "Shop <hello@shop.example>"}}
provider: smtp
smtp: {{host: 127.0.0.1, port: {port}}}
sendgrid: {{inbound_secret: "${{INBOUND_SECRET}}"}}
"""
PEOPLE = ("ana", "refused", "later", "bo")
BOUNCE = (
    "From: MAILER-DAEMON@example.com\r\nX-Failed-Recipients: bounced@example.com\r\n"
    "Subject: failure\r\n\r\nbounced@example.com\r\n  550 5.1.1 User unknown\r\n"
)


def answer(recipient: str) -> str | None:
    """As servers do, who repeat whom they speak of."""
    if recipient.startswith("refused"):
        return f"550 5.1.1 <{recipient}>: Recipient address rejected: User unknown"
    if recipient.startswith("later"):
        return f"451 4.7.1 <{recipient}>: Too many messages for {recipient}, try later"
    return None


def test_the_log_of_a_life_holds_no_address(sqlite_url: str, tmp_path: Path):
    environment = {
        **os.environ,
        "REKINDLE_SECRET_KEY": "for tests only, and long enough for it",
        "REKINDLE_DATABASE_URL": sqlite_url,
        "PYTHONUNBUFFERED": "1",
        "INBOUND_SECRET": "secret",
    }
    log, port = list[str](), free_port()
    with SmtpServer({"rcpt": lambda said: answer(said)}) as server:
        folder = workspace(tmp_path / "shop", environment, server.port)
        with started(["up", "--port", str(port)], folder, environment, log):
            live(port)
            assert wait_for(lambda: len(server.accepted) == 2), server.commands
            assert wait_for(lambda: "provider.paused" in "".join(log) or later_was_tried(server))
    said = "".join(log)

    assert "messages.rejected" in said
    assert [address for address in used_addresses(sqlite_url) if address in said.lower()] == []
    assert "example.com" not in said


def live(port: int) -> None:
    """Everything that is said to a server with somebody's address in it, right and wrong."""
    for name in PEOPLE:
        told = {"userId": name, "type": "identify", "traits": {"email": f"{name}@example.com"}}
        post(port, told, {"userId": name, "type": "track", "event": "Account Created"})
    key = "Basic d2s6"
    wrong = (
        '{"batch": [{"type": "track", "userId": "x", "event": 5, "messageId": "ana@example.com"},'
    )
    wrong += '{"type": "ana@example.com"}, {"type": "identify", "userId": ["ana@example.com"]}]}'
    form = urlencode({"email": "ana@example.com", "password": "guess"})
    inbound = urlencode({"email": BOUNCE})
    is_form = {"Content-Type": "application/x-www-form-urlencoded"}
    asked: list[tuple[str, str, str, dict[str, str]]] = [
        ("POST", "/v1/batch", wrong, {"Authorization": key}),
        ("POST", "/v1/batch", '{"ana@example.com', {"Authorization": key}),
        ("POST", "/v1/track", "ana@example.com", {"Authorization": "Basic ana@example.com"}),
        ("POST", "/sign-in", form, is_form),
        (
            "POST",
            "/hooks/sendgrid/inbound",
            inbound,
            {"Authorization": "Basic YTpzZWNyZXQ=", **is_form},
        ),
        ("POST", "/hooks/sendgrid/events", '[{"email": "ana@example.com"}]', {}),
        ("POST", "/hooks/chatwoot", "ana@example.com", {"X-Chatwoot-Signature": "ana@example.com"}),
        ("GET", "/customers?query=ana%40example.com%00", "", {}),
        ("GET", "/customers/ana@example.com", "", {"Cookie": "ana@example.com"}),
        ("GET", "/u/ana@example.com", "", {}),
        ("GET", "/nothing/ana@example.com", "", {"Host": "ana@example.com"}),
        (
            "PUT",
            "/api/v1/customers/ana@example.com",
            "{",
            {"Authorization": "Bearer ana@example.com"},
        ),
    ]
    for method, path, body, headers in asked:
        caller = HTTPConnection("127.0.0.1", port, timeout=20)
        caller.request(method, path, body, headers)
        assert caller.getresponse().status < 500, path
        caller.close()
    half = HTTPConnection("127.0.0.1", port, timeout=20)
    half.connect()
    half.send(b"GET /ana@example.com HTTP/9\r\nana@example.com\r\n\r\n")
    with suppress(Exception):
        half.getresponse()
    half.close()


def later_was_tried(server: SmtpServer) -> bool:
    return any("later@" in command for command in server.commands)


def used_addresses(url: str) -> set[str]:
    """Every address that the database knows."""
    store = Store(url)
    with store.read() as connection:
        found = list(connection.scalars(select(traits.c.value).where(traits.c.name == "email")))
        found += connection.scalars(select(messages.c.address))
    store.close()
    addresses = {str(address).lower() for address in found if address}
    assert {f"{name}@example.com" for name in PEOPLE} <= addresses
    return addresses


def workspace(folder: Path, environment: dict[str, str], smtp_port: int) -> Path:
    folder.mkdir()
    url = environment["REKINDLE_DATABASE_URL"]
    shop = Shop(folder, url, SystemClock().now(), environment)
    shop.write("rekindle.yaml", SETTINGS.format(port=smtp_port))
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    shop.write("journeys/welcome.yaml", WELCOME)
    shop.mail("welcome")
    shop.apply()
    shop.close()
    subprocess.run(
        command_in("keys", "add", "--write-key", "wk", folder=folder), env=environment, check=True
    )
    return folder


def wait_for(is_so: Callable[[], bool], seconds: int = 40) -> bool:
    for _ in range(seconds * 10):
        if is_so():
            return True
        time.sleep(0.1)
    return is_so()
