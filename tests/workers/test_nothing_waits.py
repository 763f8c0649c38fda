"""Whoever outside drips, hangs or answers late holds up nobody else, whichever lane they are in."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from rekindle import lanes as judging
from rekindle.clock import RunningClock
from rekindle.lane import Lane
from store.tables import decisions, effects
from tests.hooks import OK, Hook, drip_slowly, hang, say
from tests.mail_sink import MailSink
from tests.raw_server import RawServer, drip
from tests.shop import LAYOUT, SETTINGS, Shop, with_webhook
from workers.brokers import open_broker
from workers.doctor import examine

A_FEW_SECONDS = 8.0  # on a busy machine; a call that hangs holds its thread for fifteen
FOUR = 4
HOOKED = """
journey: {name}
topic: service
start: [{{event: {name}.wanted}}]
holdout: none
because: a test
steps:
  - webhook: "{url}"
"""
WELCOME = """
journey: welcome
topic: service
start: [{event: account.created}]
holdout: none
because: a test
steps:
  - set: {stage: welcomed}
  - send: welcome
  - notify: leads
    message: "Somebody came"
"""


@contextmanager
def opened(folder: Path, url: str, now: datetime, port: int) -> Iterator[Shop]:
    """A shop that sends through the mail server at `port`, and whose leads look into the log."""
    folder.mkdir()
    settings = SETTINGS.replace('"mailto:leads@example.com"', '"log:"')
    smtp = f"provider: smtp\nsmtp: {{host: 127.0.0.1, port: {port}}}\n"
    (folder / "rekindle.yaml").write_text(with_webhook(settings, "secret: whsec_c2VjcmV0") + smtp)
    shop = Shop(folder, url, now)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    shop.write("journeys/welcome.yaml", WELCOME)
    shop.mail("welcome")
    shop.services.clock = RunningClock.started_at(now)
    try:
        yield shop
    finally:
        shop.close()


def call(shop: Shop, name: str, hook: Hook, number: int) -> None:
    """So many webhooks to `hook` become due."""
    shop.write(f"journeys/{name}.yaml", HOOKED.format(name=name, url=hook.url))
    shop.apply()
    for one in range(number):
        shop.customer(f"{name}{one}")
        shop.happens(f"{name}.wanted", f"{name}{one}")


def begin(shop: Shop) -> None:
    """All lanes and the scheduler, as `up` has them."""
    shop.process.start_workers(open_broker(None))
    shop.process.start_scheduler()
    shop.services.wake.changed()


def within_seconds(is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + A_FEW_SECONDS
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.02)
    return is_so()


def count(shop: Shop, column: object, value: str) -> int:
    with shop.services.store.read() as connection:
        query = select(func.count()).where(column == value)  # type: ignore[arg-type]
        return connection.scalar(query) or 0


def test_receivers_of_webhooks_hold_up_neither_emails_nor_journeys_nor_each_other(
    tmp_path: Path, database_url: str, now: datetime
) -> None:
    with ExitStack() as stack:
        sink = stack.enter_context(MailSink())
        shop = stack.enter_context(opened(tmp_path / "workspace", database_url, now, sink.port))
        drips, hangs, late, quick = (
            stack.enter_context(Hook(answer))
            for answer in (drip_slowly, hang, say(OK, after=60), say(OK))
        )
        for name, hook in (("drips", drips), ("hangs", hangs), ("late", late)):
            call(shop, name, hook, 2 * FOUR)
        begin(shop)
        assert within_seconds(lambda: drips.calls == hangs.calls == late.calls == FOUR)

        call(shop, "quick", quick, 10)
        for number in range(10):
            shop.customer(f"new{number}")
            shop.happens("account.created", f"new{number}")
        shop.services.wake.changed()

        assert within_seconds(lambda: quick.calls == 10)
        assert within_seconds(lambda: len(sink.mails) == 10)
        assert within_seconds(lambda: count(shop, decisions.c.decision, "notified") == 10)
        assert drips.calls == hangs.calls == late.calls == FOUR


def greet_slowly(connection: socket.socket, ended: threading.Event) -> None:
    drip(connection, b"220 " + b"a" * 100_000, ended, 0.05)


def never_greet(_connection: socket.socket, ended: threading.Event) -> None:
    ended.wait()


@pytest.mark.parametrize("talk", [greet_slowly, never_greet], ids=["drips", "hangs"])
def test_a_mail_server_holds_up_neither_webhooks_nor_notices_nor_journeys(
    tmp_path: Path, sqlite_url: str, now: datetime, talk: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(judging, "QUIET_AFTER", timedelta(seconds=0.5))
    monkeypatch.setattr(judging, "HANGS_AFTER", dict.fromkeys(Lane, timedelta(seconds=0.5)))
    with ExitStack() as stack:
        server = RawServer(talk)
        server.__enter__()
        shop = stack.enter_context(opened(tmp_path / "workspace", sqlite_url, now, server.port))
        stack.callback(server.__exit__, None, None, None)  # whoever waits for it is let go first
        quick = stack.enter_context(Hook(say(OK)))
        shop.apply()
        for number in range(FOUR):
            shop.customer(f"first{number}")
            shop.happens("account.created", f"first{number}")
        begin(shop)
        assert within_seconds(lambda: server.connections >= 1)

        call(shop, "quick", quick, 10)
        for number in range(10):
            shop.customer(f"new{number}")
            shop.happens("account.created", f"new{number}")
        shop.services.wake.changed()

        assert within_seconds(lambda: quick.calls == 10)
        assert within_seconds(lambda: count(shop, decisions.c.decision, "set") == 10 + FOUR)
        assert within_seconds(lambda: count(shop, effects.c.status, "done") >= 10)
        reporter = shop.process._reporter
        assert reporter is not None

        def is_told() -> bool:
            reporter.say()
            found = examine(shop.services, shop.services.clock.now())
            return any(one.kind == "lane.emails" for one in found)

        assert within_seconds(is_told)
