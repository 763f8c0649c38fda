"""Every email can be read in a browser, whoever delivered it, until it is too old or erased."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from rekindle.customers import erase
from store.copies import StoredCopy, load_copy, save_copies
from store.records import MessageId
from store.session import Store
from store.tables import hits, mail_copies, mail_outlines
from tests.mail_sink import MailSink
from tests.shop import LAYOUT, SETTINGS, Shop
from web.app import create_app
from workers.copies import forget_copies

BASE = "http://links.example"
SERVER = f"""
base_url: {BASE}
provider: smtp
topics: {{offers: {{consent: assumed}}}}
smtp: {{host: HOST, port: PORT}}
"""
OFFER = """
journey: offer
topic: offers
holdout: none
because: a test
start: [{event: order.completed}]
steps: [{send: offer}]
"""
BODY = """Dear {{ customer.first_name }}, <a href="https://shop.example/sale?a=1">sale</a>
 <a href="{{ unsubscribe_url }}">stop</a> <a href="{{ view_url }}">browser</a>"""


@pytest.fixture
def offers(tmp_path: Path, database_url: str, now: datetime, smtp_sink: MailSink) -> Iterator[Shop]:
    """Two customers got a marketing email by SMTP."""
    server = SERVER.replace("HOST", smtp_sink.host).replace("PORT", str(smtp_sink.port))
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "rekindle.yaml").write_text(SETTINGS + server)
    with closing(Shop(folder, database_url, now)) as shop:
        shop.write("templates/layouts/brand.html.j2", LAYOUT)
        shop.write("journeys/offer.yaml", OFFER)
        shop.mail("offer", BODY, subject="An offer")
        shop.apply()
        for name in ("ana", "bo"):
            shop.customer(name, first_name=name.title())
            shop.happens("order.completed", name)
        shop.run()
        assert smtp_sink.wait_for(2, 5)
        yield shop


def sent_to(sink: MailSink, name: str) -> str:
    """The HTML that arrived."""
    [mail] = [mail for mail in sink.mails if mail.recipients == (f"{name}@example.com",)]
    part = mail.message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def client(shop: Shop) -> TestClient:
    return TestClient(create_app(shop.services), base_url=BASE, follow_redirects=False)


def view_path(html: str) -> str:
    return str(re.findall(rf'"{BASE}(/m/[^"]+)"', html)[0])


def copies(shop: Shop) -> dict[int, bytes]:
    with shop.services.store.read() as connection:
        rows = connection.execute(select(mail_copies.c.message_id, mail_copies.c.body)).all()
    return {row.message_id: row.body for row in rows}


def test_marketing_mail_over_smtp_is_read_as_it_arrived_but_for_the_pixel(
    offers: Shop, smtp_sink: MailSink
):
    arrived = sent_to(smtp_sink, "ana")

    page = client(offers).get(view_path(arrived))

    assert page.status_code == 200
    assert "Dear Ana," in page.text
    assert "/o/" in arrived
    assert "/o/" not in page.text
    assert re.sub(r"<img[^>]*/o/[^>]*>", "", arrived).split() == page.text.split()
    with offers.services.store.read() as connection:
        assert connection.scalars(select(hits.c.link)).all() == ["view"]


def test_the_links_of_the_page_work(offers: Shop, smtp_sink: MailSink):
    browser = client(offers)
    page = browser.get(view_path(sent_to(smtp_sink, "bo")))
    links = [link.removeprefix(BASE) for link in re.findall(r'href="([^"]+)"', page.text)]

    answers = {link.split("/")[1]: browser.get(link) for link in links if link.startswith("/")}

    assert answers["c"].headers["location"] == "https://shop.example/sale?a=1"
    assert answers["u"].status_code == 200
    assert answers["m"].status_code == 200


def test_only_what_is_theirs_alone_is_kept_of_each(offers: Shop):
    with offers.services.store.read() as connection:
        assert len(connection.scalars(select(mail_outlines.c.digest)).all()) == 1
    assert len(copies(offers)) == 2
    assert all(len(body) < 600 for body in copies(offers).values())


def test_erasing_somebody_removes_their_copies_from_every_file_and_no_others(
    offers: Shop, smtp_sink: MailSink
):
    before = copies(offers)

    erase(offers.services, "ana")

    after = copies(offers)
    [gone] = before.keys() - after.keys()
    kept = b"".join(file.read_bytes() for file in offers.folder.parent.rglob("*.db*"))
    assert len(after) == 1
    assert before[gone] not in kept
    assert client(offers).get(view_path(sent_to(smtp_sink, "ana"))).status_code == 410
    assert client(offers).get(view_path(sent_to(smtp_sink, "bo"))).status_code == 200


def test_copies_are_forgotten_once_they_are_older_than_the_settings_say(offers: Shop):
    offers.write("rekindle.yaml", f"{SETTINGS}keep_emails: 30 days\n")
    offers.apply()

    forget_copies(offers.services, offers.clock.now() + timedelta(days=29))
    assert len(copies(offers)) == 2

    forget_copies(offers.services, offers.clock.now() + timedelta(days=31))
    assert copies(offers) == {}


def test_an_email_that_is_written_again_is_kept_as_it_left_at_last(store: Store, now: datetime):
    first = StoredCopy(MessageId(7), "a", b"outline", b"first")
    last = StoredCopy(MessageId(7), "b", b"another", b"last")
    with store.begin() as tx:
        save_copies(tx, [first], now)
        save_copies(tx, [last], now)

        assert load_copy(tx, MessageId(7)) == last
