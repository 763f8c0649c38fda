"""SendGrid reports before it has answered: signed, in any order, twice, beside the very batch."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select

from adapters.email.base import open_adapter
from store.tables import messages
from tests.shop import LAYOUT
from tests.web.conftest import SETTINGS, Site
from tests.web.test_delivery_reports import PUBLIC, post
from workers.channels import ChannelPool
from workers.deliver import deliver_due

EVENTS: dict[str, dict[str, str]] = {
    "delivered": {}, "bounce": {"type": "bounce"}, "spamreport": {},
}  # fmt: skip
Script = tuple[tuple[str, ...], tuple[str, ...]]  # what is reported before the answer, and after
SCRIPTS: list[Script] = [
    (order[:early], order[early:])
    for length in (1, 3)
    for order in permutations(EVENTS, length)
    for early in range(length + 1)
]
GRAVEST = {"delivered": "delivered", "bounce": "bounced", "spamreport": "complained"}


def gravest(script: Script) -> str:
    before, after = script
    return next(GRAVEST[event] for event in reversed(EVENTS) if event in before + after)


def report(site: Site, id_: int, number: int, events: tuple[str, ...]) -> None:
    """Each event twice, in two posts."""
    for event in events * 2:
        item = {
            "email": f"c{number}@example.com", "event": event, "sg_event_id": f"{id_}-{event}",
            "timestamp": int(site.clock.now().timestamp()), "rekindle_message_id": str(id_),
            **EVENTS[event],
        }  # fmt: skip
        assert post(site, [item]) == 200


@contextmanager
def sendgrid(site: Site, numbers: Mapping[int, int]) -> Iterator[int]:
    """Stands for their API: reports first, and answers then."""
    reporting = threading.Lock()

    class Api(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            id_ = int(body["custom_args"]["rekindle_message_id"])
            with reporting:
                report(site, id_, numbers[id_], SCRIPTS[numbers[id_]][0])
            self.send_response(202)
            self.send_header("X-Message-Id", f"theirs-{id_}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quietly."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def numbers(site: Site) -> Mapping[int, int]:
    """A queued mail for each script."""
    now = site.clock.now()
    site.write("templates/layouts/brand.html.j2", LAYOUT)
    site.write(
        "templates/hello.html.j2",
        '{% extends "layouts/brand" %}{% block subject %}Hello{% endblock %}',
    )
    return {
        int(
            site.message(
                site.customer(f"c{number}"), template="hello", topic="offers", status="queued",
                due_at=now, sent_at=None, header_id=f"{number}@shop", step=str(number),
            )
        ): number
        for number in range(len(SCRIPTS))
    }  # fmt: skip


def test_reports_before_the_answer_leave_what_reports_after_it_leave(
    site: Site, numbers: Mapping[int, int]
) -> None:
    with sendgrid(site, numbers) as port:
        more = f"{{api_key: k, host: 'http://127.0.0.1:{port}', webhook_public_key: {PUBLIC!r}}}"
        site.write("rekindle.yaml", f"{SETTINGS}provider: sendgrid\nsendgrid: {more}\n")
        site.apply()
        settings = site.services.settings
        pool = ChannelPool(open_adapter("sendgrid", settings, site.services.outbox))
        while deliver_due(site.services, pool, site.clock.now()).sent:
            pass
    for id_, number in numbers.items():
        report(site, id_, number, SCRIPTS[number][1])

    with site.services.store.read() as connection:
        rows = connection.execute(select(messages)).all()
    ends = {SCRIPTS[numbers[row.id]]: row.status for row in rows}
    assert ends == {script: gravest(script) for script in SCRIPTS}
    assert {row.provider_message_id for row in rows} == {f"theirs-{id_}" for id_ in numbers}
    assert {(row.claimed_by, row.due_at) for row in rows} == {(None, None)}
    assert len(site.events("message.sent")) == len(SCRIPTS)
