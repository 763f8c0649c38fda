"""Two thousand spellings of mailboxes that said no, by every door: not one is emailed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from pytest_httpserver import HTTPServer

from adapters.files.layout import parse_layout
from adapters.files.rows import Rows, Types
from adapters.tracking.segment import Call, parse_event
from rekindle.addresses import canonical
from rekindle.customers import suppress
from store.blocking import suppress_addresses
from store.intake import record_customers, record_events
from store.records import Identity, IncomingEvent, Report, Returned
from store.reports import record_reports
from store.returns import act_on
from tests.mail_sink import MailSink
from tests.shop import LAYOUT, SETTINGS, Shop
from tests.spellings import mailboxes, spelled
from tests.workers.journeys import write_journey

SAID_NO = 2_000
FEWER = 150  # what is refused never gets as far as a provider
FREE = [f"free.{mailbox}" for mailbox in mailboxes(8)]
KEYS = "topics: {offers: {consent: assumed}}\nquiet_hours: 08:00-10:00\n"
ORDERED = "start: [{event: order.completed}]\nholdout: none\nbecause: a test\n"


@pytest.fixture
def shop(tmp_path: Path, sqlite_url: str, now: datetime) -> Iterator[Shop]:
    opened = Shop(tmp_path, sqlite_url, now)
    opened.write("templates/layouts/brand.html.j2", LAYOUT)
    opened.mail("offer")
    yield opened
    opened.close()


def open_with(shop: Shop, provider: str) -> None:
    write_journey(shop, "offers", ORDERED + "steps: [{send: offer}]\n", topic="offers")
    shop.write("rekindle.yaml", f"{SETTINGS}{KEYS}{provider}")
    shop.apply()
    shop.process.stop()
    shop.__post_init__()  # what is deployed is read at the start


def say_no(shop: Shop, boxes: Sequence[str], chance: Random) -> None:
    """Each by a door of its own: a file, a person, a complaint, a provider's report."""
    now, services = shop.clock.now(), shop.services
    written = [spelled(mailbox, chance) for mailbox in boxes]
    with services.store.begin() as tx:
        rows = Rows(parse_layout((), "suppressions"), Types(), "file", now)
        items = [rows.parse_suppression({"email": text}) for text in written[0::4]]
        suppress_addresses(tx, items, now)
        returned = [Returned(text, "complaint", False, "", text) for text in written[1::4]]
        act_on(tx, returned, now, services.settings)
        reports = [
            Report(text, "bounced", text, now, suppression="hard_bounce") for text in written[2::4]
        ]
        record_reports(tx, reports, now)
    suppress(services, written[3::4])


def become_known(shop: Shop, boxes: Sequence[str], chance: Random) -> None:
    """Half of them in a file, half by an SDK; all order at once."""
    now, services = shop.clock.now(), shop.services
    emails = {f"c{number}": spelled(mailbox, chance) for number, mailbox in enumerate(boxes)}
    rows = Rows(parse_layout((), "customers"), Types(), "file", now)
    call = Call(now, source="sdk")
    half = len(emails) // 2
    with services.store.begin() as tx:
        told = [{"customer_id": id_, "email": text} for id_, text in emails.items()]
        record_customers(tx, [rows.parse_customer(row) for row in told[:half]], now=now)
        said = [
            {"type": "identify", "userId": id_, "messageId": f"i{id_}", "traits": {"email": text}}
            for id_, text in islice(emails.items(), half, None)
        ]
        record_events(
            tx, [parse_event(one, call) for one in said], now=now, settings=services.settings
        )
        ordered = [
            IncomingEvent("order.completed", now, f"o{id_}", (Identity("external", id_),))
            for id_ in emails
        ]
        record_events(tx, ordered, now=now, settings=services.settings)


@pytest.mark.parametrize(
    ("provider", "said_no"),
    [
        ("outbox", SAID_NO),
        ("smtp", FEWER),
        ("sendgrid", FEWER),
        pytest.param("smtp", SAID_NO, marks=pytest.mark.deep),
        pytest.param("sendgrid", SAID_NO, marks=pytest.mark.deep),
    ],
)
def test_no_spelling_of_a_mailbox_that_said_no_is_emailed(
    shop: Shop, provider: str, said_no: int, smtp_sink: MailSink, httpserver: HTTPServer
):
    httpserver.expect_request("/v3/mail/send").respond_with_data("", status=202)
    keys = {
        "outbox": "",
        "smtp": f"provider: smtp\nsmtp: {{host: {smtp_sink.host}, port: {smtp_sink.port}}}\n",
        "sendgrid": "provider: sendgrid\n"
        f"sendgrid: {{api_key: SG.x, host: '{httpserver.url_for('')}'}}\n",
    }
    open_with(shop, keys[provider])
    chance = Random(provider)
    boxes = mailboxes(said_no)
    say_no(shop, boxes[0::2], chance)

    become_known(shop, [*boxes, *FREE], chance)
    queued = shop.run()  # and held, for the hours are quiet
    say_no(shop, boxes[1::2], chance)
    shop.later(hours=2)

    assert (queued.refused, queued.held) == (said_no // 2, said_no // 2 + len(FREE))
    reached = {
        "outbox": [str(mail["To"]) for mail in shop.mails()],
        "smtp": [to for mail in smtp_sink.mails for to in mail.recipients],
        "sendgrid": [
            to["email"]
            for request, _ in httpserver.log
            for person in (request.json or {})["personalizations"]
            for to in person["to"]
        ],
    }
    assert sorted(map(canonical, reached[provider])) == sorted(FREE)
