"""What follows from a mail that came back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from rekindle.settings import Settings
from store.customers import find_customer
from store.events import load_timeline
from store.intake import record_customers
from store.records import CustomerId, IncomingCustomer, Returned
from store.returns import act_on
from store.session import Store
from store.suppressions import find_suppressed
from store.tables import delivery_events, messages, metadata, suppressions
from tests.conftest import MONDAY

ANA = "ana@example.com"
BOUNCE = Returned(ANA, "bounce", True, "5.1.1", "mark-1", "m1@shop")


@pytest.fixture
def shop(store: Store) -> Store:
    """Ana was sent a mail."""
    add_customer(store, ANA, "m1@shop")
    return store


def add_customer(store: Store, address: str, header_id: str) -> CustomerId:
    """Somebody of that address who was sent a mail; the id is what stands before the @."""
    name = address.partition("@")[0]
    with store.begin() as tx:
        record_customers(tx, [IncomingCustomer(name, {"email": address})], now=MONDAY)
        customer = find_customer(tx, name)
        assert customer is not None
        tx.execute(
            insert(messages).values(
                customer_id=customer, template="hello", topic="offers", status="sent",
                address=address, queued_at=MONDAY, sent_at=MONDAY, header_id=header_id,
            )
        )  # fmt: skip
    return customer


def act(store: Store, *items: Returned, days: int = 0) -> None:
    with store.begin() as tx:
        act_on(tx, items, MONDAY + timedelta(days=days), Settings())


def standing(store: Store) -> dict[str, Any]:
    """Why no mail may go to Ana, how her mail stands, and what she and we did."""
    later = MONDAY + timedelta(days=30)
    with store.read() as connection:
        customer = find_customer(connection, "ana")
        assert customer is not None
        return {
            "suppressed": find_suppressed(connection, [ANA], later).get(ANA),
            "mail": connection.scalar(select(messages.c.status).order_by(messages.c.id)),
            "events": [e.name for e in load_timeline(connection, customer, later)],
            "told": connection.scalars(select(delivery_events.c.kind)).all(),
        }


def everything(store: Store) -> dict[str, list[Any]]:
    """Every row of every table."""
    with store.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in metadata.sorted_tables
        }


def test_a_hard_bounce_suppresses_the_address_and_marks_the_mail(shop: Store):
    act(shop, BOUNCE)

    assert standing(shop) == {
        "suppressed": "hard_bounce",
        "mail": "bounced",
        "events": ["message.bounced"],
        "told": ["bounced"],
    }


def test_the_same_mail_again_changes_nothing(shop: Store):
    act(shop, BOUNCE)
    once = standing(shop)

    act(shop, BOUNCE, days=1)

    assert standing(shop) == once


def test_a_suppression_tells_which_report_made_it(shop: Store):
    act(shop, replace(BOUNCE, said="550 5.1.1 user unknown"))

    with shop.read() as connection:
        mail = connection.scalar(select(messages.c.id))
        detail = connection.scalar(select(suppressions.c.detail))
        told = connection.scalar(select(delivery_events.c.details))
    assert detail == f"report on email {mail}: 5.1.1: 550 5.1.1 user unknown"
    assert told == {"hard": True, "status": "5.1.1", "said": "550 5.1.1 user unknown"}


def test_a_complaint_suppresses_even_where_the_reporter_hides_the_address(shop: Store):
    act(shop, Returned("redacted@example.net", "complaint", False, "", "mark-2", "m1@shop"))

    found = standing(shop)
    assert (found["suppressed"], found["mail"]) == ("complaint", "complained")
    assert found["events"] == ["message.complained"]


@pytest.mark.parametrize("recipient", ["omar@example.com", "nobody@example.net", ""])
@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [("complaint", "complained", "complaint"), ("bounce", "bounced", "hard_bounce")],
)
def test_a_report_is_of_the_mail_that_it_names_whomever_it_reached(
    shop: Store, recipient: str, kind: str, status: str, reason: str
):
    """Ana forwards to Omar, who is a customer himself, or to somebody whom we do not know."""
    omar = add_customer(shop, "omar@example.com", "m2@shop")
    item = Returned(recipient, kind, kind == "bounce", "", "mark-5", "m1@shop")

    act(shop, item, item)

    assert standing(shop) == {
        "suppressed": reason,
        "mail": status,
        "events": [f"message.{status}"],
        "told": [status],
    }
    with shop.read() as connection:
        assert load_timeline(connection, omar, MONDAY) == []
        details = set(connection.scalars(select(suppressions.c.detail)))
        boxes = set(connection.scalars(select(suppressions.c.address)))
    assert details == {"report on email 1"}
    assert boxes == {ANA, recipient} - {""}


def test_forwarding_to_a_mailbox_that_is_full_gives_up_the_one_we_write_to(shop: Store):
    add_customer(shop, "omar@example.com", "m2@shop")
    for day in range(3):
        full = Returned("omar@example.com", "bounce", False, "4.2.2", f"mark-{day}", "m1@shop")
        act(shop, full, days=day)

    with shop.read() as connection:
        rows = connection.execute(select(suppressions.c.address, suppressions.c.reason)).all()
    assert [tuple(row) for row in rows] == [(ANA, "soft_bounces")]


@pytest.mark.parametrize("written", ["Ünal@example.com", "ÜNAL@example.com", "ünal@example.com"])
def test_a_mailbox_is_the_same_in_letters_that_a_database_does_not_fold(store: Store, written: str):
    """Emails are written to addresses as they were given, and reported in any spelling."""
    add_customer(store, written, "m1@shop")
    named = [Returned("ünal@example.com", "bounce", False, "4.2.2", f"mark-{n}") for n in range(3)]

    for day, item in enumerate(named):
        act(store, item, days=day)

    with store.read() as connection:
        assert connection.scalar(select(messages.c.status)) == "bounced"
        rows = connection.execute(select(suppressions.c.address, suppressions.c.reason)).all()
    assert [tuple(row) for row in rows] == [("ünal@example.com", "soft_bounces")]


def test_a_soft_bounce_suppresses_only_after_failing_on_several_days(shop: Store):
    soft = [Returned(ANA, "bounce", False, "4.2.2", f"mark-{day}", "m1@shop") for day in range(3)]

    act(shop, soft[0], soft[1])
    early = standing(shop)["suppressed"]
    act(shop, soft[2], days=1)
    act(shop, Returned(ANA, "bounce", False, "4.2.2", "mark-9", "m1@shop"), days=2)

    assert (early, standing(shop)["suppressed"]) == (None, "soft_bounces")


def test_a_reply_is_something_that_the_customer_did(shop: Store):
    act(shop, Returned(ANA, "reply", False, "", "mark-3", "m1@shop"))

    with shop.read() as connection:
        customer = find_customer(connection, "ana")
        assert customer is not None
        (event,) = load_timeline(connection, customer, MONDAY)
    assert (event.name, event.channel, event.actor.value) == ("email.replied", "email", "customer")
    assert event.properties["template"] == "hello"
    assert standing(shop)["suppressed"] is None


@pytest.mark.parametrize("kind", ["auto_reply", "report"])
@pytest.mark.parametrize("header_id", ["m1@shop", ""])
def test_machines_change_nothing(shop: Store, kind: str, header_id: str):
    """No activity, no clock of drift, no journey left: not a row of any table differs."""
    before = everything(shop)

    act(shop, Returned(ANA, kind, False, "", "mark-4", header_id), days=40)

    assert everything(shop) == before
