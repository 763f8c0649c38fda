"""While a hold stands all goes on and nothing leaves; then what is due does, at its pace."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from sqlalchemy import select

from rekindle.cli.app import main
from rekindle.rehearsal.scratch import scratch_copy
from store.holds import find_hold
from store.tables import effects, messages
from tests.shop import SETTINGS, Shop, with_webhook
from tests.workers.journeys import said, write_journey
from workers.schedule import sweep

STEPS = """
start: [{event: order.completed}]
again: always
steps:
  - notify: leads
    message: An order
  - webhook: URL
  - send: thanks
  - wait: 1 day
  - send: tips
"""


@pytest.fixture
def receiver() -> Iterator[HTTPServer]:
    """Counts who calls."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.calls.append(self.path)  # type: ignore[attr-defined]  # ours
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.calls = []  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def busy(shop: Shop, receiver: HTTPServer) -> Shop:
    """Each order tells the leads and a webhook, and thanks the customer; hence the hold."""
    shop.write(
        "rekindle.yaml", with_webhook(SETTINGS, "secret: quiet") + "pace: {late: 10 per hour}\n"
    )
    url = f"http://127.0.0.1:{receiver.server_port}/order"
    write_journey(shop, "thanks", STEPS.replace("URL", url))
    shop.mail("thanks")
    shop.mail("tips")
    shop.apply()
    command(shop, "hold", "a drill")
    shop.customer("ana")
    shop.happens("order.completed", "ana")
    return shop


def command(shop: Shop, *words: str) -> int:
    database = shop.url
    now = shop.clock.now().isoformat()
    return main([*words, "--workspace", str(shop.folder), "--database", database, "--now", now])


def statuses(shop: Shop) -> list[str]:
    with shop.services.store.read() as connection:
        return list(connection.scalars(select(messages.c.status).order_by(messages.c.id)))


def undone(shop: Shop) -> list[str]:
    with shop.services.store.read() as connection:
        return list(connection.scalars(select(effects.c.status).order_by(effects.c.id)))


def test_journeys_go_on_and_nothing_leaves(busy: Shop, receiver):
    busy.run()
    busy.later(hours=3)
    sweep(busy.services, busy.process.pool, busy.clock.now())

    assert [kind for _, kind in said(busy, "ana")][-2:] == ["notified", "called"]
    assert (statuses(busy), undone(busy)) == (["held"], ["due", "due"])
    assert (busy.mails(), receiver.calls) == ([], [])


def test_what_is_due_leaves_once_it_is_released(busy: Shop, receiver):
    busy.later(hours=3)
    command(busy, "release")
    busy.run()
    busy.later(days=1)

    assert statuses(busy) == ["sent"] * 3
    assert len(busy.mails(to="ana")) == 2
    assert len(busy.mails(to="leads")) == 1
    assert receiver.calls == ["/order"]


def test_who_looks_is_told_of_the_hold_and_of_nothing_that_it_keeps(busy: Shop, capsys):
    busy.later(hours=3)
    capsys.readouterr()

    assert command(busy, "doctor") == 1
    assert command(busy, "run", "--until-idle") == 0

    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if not line.startswith("    ") and "'chmod" not in line]
    held = "othing leaves since 2026-03-02 09:00 UTC (a drill), until 'rekindle release'."
    assert [line[-len(held) :] for line in told] == [held, held]


def test_no_test_mail_leaves_either(busy: Shop, capsys):
    code = command(busy, "send-test", "thanks", "--to", "me@example.com")

    assert code == 1
    assert "nothing leaves since" in capsys.readouterr().err
    assert busy.mails() == []


def test_holding_twice_is_one_hold_and_releasing_twice_says_so(busy: Shop, capsys):
    command(busy, "hold", "again")
    command(busy, "release")
    command(busy, "release")

    said = capsys.readouterr().out.splitlines()[-3:]
    assert "(a drill)" in said[0]
    assert said[1:] == ["What is due leaves again, at its pace.", "Nothing was held."]


def test_a_rehearsal_is_not_held(busy: Shop):
    with scratch_copy(busy.services.store) as scratch, scratch.read() as connection:
        assert find_hold(connection) is None
