"""`rekindle send-test`: one real mail, of which no customer's history knows."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from rekindle.cli.app import main
from store.tables import events, messages
from tests.mail_sink import MailSink
from tests.shop import LAYOUT, Shop


@pytest.fixture
def shop(tmp_path: Path, sqlite_url: str, now):
    opened = Shop(tmp_path, sqlite_url, now)
    opened.write("templates/layouts/brand.html.j2", LAYOUT)
    opened.mail("hello", "Dear {{ customer.first_name }}", "For {{ customer.first_name }}")
    opened.customer("ana", first_name="Ana")
    yield opened
    opened.close()


def send(shop: Shop, *more: str) -> int:
    where = ["--workspace", str(shop.folder), "--database", shop.url]
    return main(["send-test", "hello", *more, *where])


def test_a_made_up_reader_is_marked_in_brackets_and_the_mail_as_a_test(shop: Shop):
    assert send(shop, "--to", "me@example.org") == 0

    (mail,) = shop.mails()
    assert (mail["To"], mail["Subject"]) == ("me@example.org", "[Test] For [first_name]")
    assert mail["X-Rekindle-Test"] == "yes"


def test_it_goes_through_the_configured_provider_as_to_a_real_customer(
    shop: Shop, smtp_sink: MailSink
):
    host, port = smtp_sink.host, smtp_sink.port
    settings = (shop.folder / "rekindle.yaml").read_text()
    shop.write("rekindle.yaml", f"{settings}provider: smtp\nsmtp: {{host: {host}, port: {port}}}\n")

    assert send(shop, "--to", "me@example.org", "--customer", "ana") == 0

    (received,) = smtp_sink.mails
    assert received.recipients == ("me@example.org",)
    assert received.message["Subject"] == "[Test] For Ana"


def test_no_history_knows_of_it(shop: Shop):
    send(shop, "--to", "ana@example.com", "--customer", "ana")

    with shop.services.store.read() as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(t)) for t in (messages, events)
        ]
    assert counts == [0, 0]


@pytest.mark.parametrize(
    ("more", "code"), [(["--to", "me"], 2), (["--to", "a@b.c", "--customer", "nobody"], 1), ([], 2)]
)
def test_what_cannot_be_sent_is_said(shop: Shop, more: list[str], code: int):
    assert send(shop, *more) == code
    assert shop.mails() == []
