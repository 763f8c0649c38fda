"""A no belongs to the mailbox, and a mailbox gets one copy, whoever of our customers has it."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import select

from rekindle.customers import erase, tell, unsuppress
from rekindle.errors import NotFound
from store.blocking import suppress_addresses
from store.consents import save_preferences
from store.mailboxes import load_mailbox_consents
from store.records import CustomerId, MessageId, Returned
from store.returns import act_on
from store.suppressions import fingerprint
from store.tables import consents, mailbox_consents, messages
from tests.shop import SETTINGS, Shop
from tests.workers.journeys import write_journey

ORDERED = "start: [{event: order.completed}]\nagain: always\nholdout: none\nbecause: a test\n"
SHARED = "shared@example.com"


@pytest.fixture
def family(shop: Shop) -> Shop:
    """Ana and Bo read the same mailbox, Bo with a capital letter; ana has got an email there."""
    shop.write("rekindle.yaml", f"{SETTINGS}topics: {{offers: {{consent: assumed}}}}\n")
    write_journey(shop, "offers", ORDERED + "steps: [{send: offer}]\n", topic="offers")
    shop.mail("offer", subject="Offer")
    shop.apply()
    shop.customer("ana", email=SHARED)
    shop.customer("bo", email="Bo <Shared@Example.com>")
    order(shop, "ana")
    return shop


def order(shop: Shop, who: str) -> str:
    """Bring somebody into the journey; returns what became of their email."""
    shop.happens("order.completed", who)
    shop.run()
    query = select(messages.c.status, messages.c.reason).order_by(messages.c.id.desc()).limit(1)
    with shop.services.store.read() as connection:
        status, reason = connection.execute(query).one()
    return str(reason or status)


def say(shop: Shop, choices: Mapping[str, str]) -> None:
    """By the link in the first email there was, which went to ana."""
    shop.clock.move(timedelta(minutes=1))
    with shop.services.store.begin() as tx:
        save_preferences(tx, CustomerId(1), MessageId(1), choices, shop.clock.now())


REFUSED = "this mailbox said no to offers"


def test_who_unsubscribes_does_so_for_everybody_at_that_mailbox_now_and_later(family: Shop):
    say(family, {"offers": "denied"})

    assert order(family, "bo") == REFUSED
    family.customer("cem", email="mailto:SHARED@example.com")
    assert order(family, "cem") == REFUSED
    family.customer("bo", email="bo@example.com")
    assert order(family, "bo") == "sent"  # the no was the mailbox's, not Bo's


@pytest.mark.parametrize("who", ["ana", "bo"])
def test_a_yes_from_elsewhere_loosens_nothing_that_the_mailbox_said(family: Shop, who: str):
    say(family, {"offers": "denied"})

    tell(family.services, who, {}, {"offers": "granted"})

    assert order(family, who) == REFUSED


def test_the_mailbox_itself_takes_its_no_back(family: Shop):
    say(family, {"offers": "denied"})
    say(family, {"offers": "granted"})

    assert order(family, "bo") == "sent"


def test_our_own_people_take_a_no_back_for_a_reason_that_is_kept(family: Shop):
    say(family, {"offers": "denied"})
    with family.services.store.begin() as tx:
        suppress_addresses(tx, [(SHARED, "by phone")], family.clock.now(), reason="person")

    assert unsuppress(family.services, ["Shared@example.com"], "asked by phone") == [SHARED]

    assert order(family, "ana") == "sent"
    with family.services.store.read() as connection:
        history = connection.execute(
            select(
                mailbox_consents.c.status, mailbox_consents.c.source, mailbox_consents.c.reason
            ).order_by(mailbox_consents.c.id)
        )
        assert [tuple(row) for row in history] == [
            ("denied", "preferences", ""), ("unknown", "person", "asked by phone"),
        ]  # fmt: skip
        assert list(connection.scalars(select(consents.c.status).order_by(consents.c.id))) == [
            "denied",
            "unknown",
        ]
    with pytest.raises(NotFound, match="nothing forbids email"):
        unsuppress(family.services, ["ana"], "again")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("bounce", "suppressed: hard_bounce"), ("complaint", "suppressed: complaint")],
)
def test_what_comes_back_in_any_spelling_stops_the_mailbox(family: Shop, kind: str, reason: str):
    came_back = Returned("<SHARED@Example.com.>", kind, True, "5.1.1", "mark-1")
    with family.services.store.begin() as tx:
        act_on(tx, [came_back], family.clock.now(), family.services.settings)

    assert order(family, "bo") == reason


def test_a_no_outlives_the_last_customer_of_its_mailbox_without_its_name(family: Shop):
    say(family, {"offers": "denied"})
    erase(family.services, "ana")
    with family.services.store.read() as connection:  # Bo has it still
        assert connection.scalar(select(mailbox_consents.c.mailbox)) == SHARED

    erase(family.services, "bo")

    with family.services.store.read() as connection:
        assert connection.scalar(select(mailbox_consents.c.mailbox)) == fingerprint(SHARED)
        now = family.clock.now()
        assert load_mailbox_consents(connection, [SHARED], now) == {SHARED: {"offers": "denied"}}
    family.customer("dee", email=SHARED)
    assert order(family, "dee") == REFUSED
