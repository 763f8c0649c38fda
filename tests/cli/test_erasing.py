"""`customer erase` and `export`: a person is forgotten to the last byte, or handed over."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select, update

from rekindle.cli.app import main
from rekindle.customers import erase, export_document
from rekindle.errors import NotFound, NotNow
from store import erasing
from store.alarms import raise_alarm
from store.blocking import suppress_addresses
from store.exports import export_rows
from store.figures import list_alarms
from store.nouns import NOUNS
from store.records import Reject
from store.rejects import note_rejects
from store.suppressions import find_suppressed
from store.tables import messages, metadata
from tests.shop import LAYOUT, Shop

ORDER = """
journey: thanks
topic: service
start:
  - event: order.completed
steps:
  - send: thanks
  - notify: leads
    message: "{{ customer.name }} ({{ customer.email }}) bought {{ event.item }}"
  - wait: 3 days
  - send: thanks
"""
NAMES = ("layla-1", "layla haddad", "0501234567", "blue vase", "l.h@old.example", "layla asked")


@pytest.fixture
def shop(tmp_path: Path, database_url: str, now) -> Iterator[Shop]:
    """Layla left traces wherever one can; Omar did the same and stays."""
    opened = Shop(tmp_path, database_url, now)
    opened.write("journeys/thanks.yaml", ORDER)
    opened.write("templates/layouts/brand.html.j2", LAYOUT)
    opened.mail("thanks", "Dear {{ customer.name }}, enjoy your {{ event.item }}")
    opened.apply()
    for id_, name, item in (("layla-1", "Layla Haddad", "Blue Vase"), ("omar", "Omar", "Hat")):
        opened.customer(id_, name=name, phone="0501234567" if id_ == "layla-1" else "1")
        opened.happens("order.completed", id_, item=item)
    opened.customer("layla-1", email="l.h@old.example")
    services = opened.services
    with services.store.begin() as tx:
        note_rejects(tx, "/v1", [Reject("no event", {"userId": "layla-1"})], now)
        suppress_addresses(tx, [("l.h@old.example", "Layla asked")], now)
    opened.run()
    yield opened
    opened.close()


def everything(shop: Shop) -> bytes:
    """Every byte that is kept: the database's files or rows, and the outbox."""
    files = [file for file in shop.folder.rglob("*") if file.is_file()]
    kept = b"".join(file.read_bytes() for file in files if "templates" not in file.parts)
    with shop.services.store.read() as connection:
        rows = [tuple(row) for t in metadata.sorted_tables for row in connection.execute(select(t))]
    return (kept + repr(rows).encode()).lower()


def counts(shop: Shop) -> dict[str, int]:
    nouns = ("events", "messages", "enrollments", "decisions", "delivery_events")
    with shop.services.store.read() as connection:
        return {one: len(list(export_rows(connection, one, shop.clock.now()))) for one in nouns}


def test_no_byte_of_a_person_is_left_and_the_counts_stand(shop: Shop):
    before = counts(shop)
    assert all(name.encode() in everything(shop) for name in NAMES)

    is_emptied = erase(shop.services, "layla-1")

    left = everything(shop)
    assert [name for name in NAMES if name.encode() in left] == []
    assert counts(shop) == before
    assert is_emptied


def test_others_keep_everything_and_the_erased_gets_no_more_mail(shop: Shop):
    erase(shop.services, "layla-1")

    counted = shop.later(days=4)

    assert counted.sent == 1
    assert [str(mail["To"]) for mail in shop.mails(to="omar")] == ["omar@example.com"] * 2
    with pytest.raises(NotFound):
        erase(shop.services, "layla-1")


def test_an_address_that_said_no_stays_suppressed_after_it_was_erased(shop: Shop):
    erase(shop.services, "layla-1")

    with shop.services.store.begin() as tx:
        found = find_suppressed(tx, ["L.H@old.example", "omar@example.com"], shop.clock.now())
        again = suppress_addresses(tx, [("l.h@old.example", "")], shop.clock.now())

    assert found == {"l.h@old.example": "import"}
    assert again.duplicates == 1


def test_nobody_is_erased_while_a_mail_to_them_is_leaving(shop: Shop):
    with shop.services.store.begin() as tx:
        tx.execute(update(messages).values(claimed_by="a worker"))

    with pytest.raises(NotNow, match="leaving at this moment"):
        erase(shop.services, "layla-1")


def test_an_export_has_all_that_is_stored_of_one_person_and_nothing_of_others(shop: Shop):
    document = export_document(shop.services, "layla-1")

    assert document.keys() >= {"id", "traits", "trait_history", "hits", *NOUNS} - {
        "customers",
        "rejects",
    }
    assert [one["status"] for one in document["messages"]] == ["refused"]
    assert {one["value"] for one in document["trait_history"] if one["name"] == "email"} == {
        "layla-1@example.com",
        "l.h@old.example",
    }
    assert "omar" not in repr(document)


def test_the_commands_hand_over_and_forget(shop: Shop, capsys: Any):
    where = ["--workspace", str(shop.folder), "--database", shop.url, "--json"]

    assert main(["customer", "export", "omar", *where]) == 0
    assert json.loads(capsys.readouterr().out)["traits"]["name"] == "Omar"
    assert main(["customer", "erase", "omar", *where]) == 0
    assert json.loads(capsys.readouterr().out) == {"erased": ["omar"]}
    assert main(["customer", "omar", *where]) == 1


def test_an_alarm_that_quotes_them_says_no_more_than_that_it_was(shop: Shop):
    with shop.services.store.begin() as tx:
        for name in ("l.h@old.example", "omar@example.com"):
            raise_alarm(tx, "mail.unwritten", name[:4], f"{name} is odd", shop.clock.now())

    erase(shop.services, "layla-1")

    with shop.services.store.read() as connection:
        said = {one.message for one in list_alarms(connection)}
    assert said == {"erased", "omar@example.com is odd"}


def test_every_table_that_speaks_of_a_person_is_thought_of():
    ties = {"customer_id", "enrollment_id", "message_id"}
    personal = {table.name for table in metadata.sorted_tables if ties & set(table.c.keys())}
    handled = {one.name for one in vars(erasing).values() if isinstance(one, Table)}

    assert personal - handled == set()
