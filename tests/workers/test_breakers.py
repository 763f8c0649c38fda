"""When mails that come back stop a journey, or all of them."""

import pytest
from sqlalchemy import insert, select, update

from rekindle.settings import Breaker
from store.alarms import COMPLAINTS, STOPPED, load_standing
from store.contacts import Fates, count_fates
from store.intake import OwnEvent, record_own_events
from store.journey_states import find_stopped
from store.tables import delivery_events, messages
from tests.shop import SETTINGS, Shop
from tests.workers.journeys import in_transaction, write_journey
from workers.pausing import nearly_too_many, resume_journey, too_many

ORDERED = "start: [{event: order.completed}]\nagain: always\nholdout: none\nbecause: a test\n"


@pytest.mark.parametrize(
    ("fates", "stops", "warns"),
    [
        (Fates(1000, 20, 20, 0), False, False),
        (Fates(1000, 21, 21, 0), True, False),
        (Fates(1000, 500, 20, 0), False, False),  # soft ones say nothing of a list
        (Fates(199, 199, 199, 0), False, False),
        (Fates(200, 200, 200, 0), True, False),
        (Fates(1000, 0, 0, 1), False, False),
        (Fates(1000, 0, 0, 2), False, True),
        (Fates(1000, 0, 0, 3), False, True),
        (Fates(1000, 0, 0, 4), True, True),
        (Fates(199, 0, 0, 50), False, False),
        (Fates(300, 101, 0, 50), False, False),  # 199 arrived
    ],
)
def test_the_defaults_are_the_limits_of_large_providers(
    fates: Fates, stops: bool, warns: bool
) -> None:
    assert (too_many(fates, Breaker()) is not None) == stops
    assert (nearly_too_many(fates, Breaker()) is not None) == warns


def open_journeys(shop: Shop, breaker: str) -> None:
    shop.write("rekindle.yaml", f"{SETTINGS}breaker: {breaker}\n")
    for name, topic in (("first", "offers"), ("second", "offers"), ("care", "service")):
        write_journey(shop, name, f"{ORDERED}steps: [{{send: {name}}}]\n", topic=topic)
        shop.mail(name)
    shop.apply()


def mail_out(shop: Shop, customers: int) -> None:
    for number in range(customers):
        shop.customer(f"c{number}")
        shop.happens("order.completed", f"c{number}")
    shop.run()


def come_back(shop: Shop, template: str, count: int, kind: str, *, is_hard: bool = True) -> None:
    """So many mails of one template are reported, and then it is looked at."""
    now = shop.clock.now()
    with shop.services.store.begin() as tx:
        query = select(messages.c.id, messages.c.customer_id).where(
            messages.c.template == template, messages.c.status == "sent"
        )
        rows = tx.execute(query.order_by(messages.c.id).limit(count)).all()
        tx.execute(
            update(messages).where(messages.c.id.in_([row.id for row in rows])).values(status=kind)
        )
        told = [
            {
                "message_id": row.id, "kind": kind, "occurred_at": now, "known_at": now,
                "is_machine": False, "details": {"hard": is_hard},
            }
            for row in rows
        ]  # fmt: skip
        tx.execute(insert(delivery_events), told)
        facts = [
            OwnEvent(
                row.customer_id, f"message.{kind}", now, f"{kind}{row.id}", {"message": row.id}
            )
            for row in rows
        ]
        record_own_events(tx, facts, now)
    shop.run()


def test_only_the_journey_whose_mails_come_back_stops_and_after_a_person_lets_it_on_it_counts_anew(
    shop: Shop,
) -> None:
    open_journeys(shop, "{bounces: 30%, after: 4}")
    mail_out(shop, 10)

    come_back(shop, "first", 4, "bounced")
    stopped = set(in_transaction(shop, find_stopped))
    in_transaction(shop, resume_journey, shop.services.library(), "first", shop.clock.now())
    come_back(shop, "first", 1, "bounced")

    assert stopped == {"first"}
    assert in_transaction(shop, find_stopped) == {}
    assert in_transaction(shop, load_standing, STOPPED) == frozenset()


def test_soft_bounces_stop_nothing(shop: Shop) -> None:
    open_journeys(shop, "{bounces: 30%, after: 4}")
    mail_out(shop, 10)

    come_back(shop, "first", 8, "bounced", is_hard=False)

    assert in_transaction(shop, find_stopped) == {}
    fates = in_transaction(shop, count_fates, "first", shop.at.replace(year=2000))
    assert (fates.bounced, fates.bounced_hard) == (8, 0)


def test_too_many_complaints_over_all_stop_all_but_what_serves(shop: Shop) -> None:
    open_journeys(shop, "{complaints: 20%, after: 20}")  # each journey has ten
    mail_out(shop, 10)

    come_back(shop, "first", 4, "complained")
    some = set(in_transaction(shop, find_stopped))
    come_back(shop, "second", 4, "complained")

    assert some == set()
    assert set(in_transaction(shop, find_stopped)) == {"first", "second"}


def test_a_few_complaints_raise_an_alarm(shop: Shop) -> None:
    open_journeys(shop, "{complaints: 90%, complaints_warn: 20%, after: 4}")
    mail_out(shop, 10)

    come_back(shop, "first", 3, "complained")

    assert in_transaction(shop, load_standing, COMPLAINTS) == {"first"}
    assert in_transaction(shop, find_stopped) == {}
