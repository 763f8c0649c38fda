"""Mails that cannot be written: whoever operates the engine is told, and told when it is over."""

from typing import Any

import pytest
from sqlalchemy import select

from rekindle.errors import NEEDS_SMTPUTF8
from store.alarms import UNWRITTEN
from store.figures import Alarm, list_alarms
from store.tables import messages
from tests.shop import Shop
from tests.workers.journeys import write_journey
from workers.doctor import examine
from workers.unwritten import ENOUGH

STEPS = "start: [{event: order.completed}]\nagain: always\nsteps: [{send: thanks}]\n"


@pytest.fixture
def orders(shop: Shop) -> Shop:
    """A shop whose thanks need to know the order's number."""
    write_journey(shop, "care", STEPS)
    shop.mail("thanks", "Your order {{ event.order_id }}")
    shop.apply()
    return shop


def order(shop: Shop, *customers: str, **properties: Any) -> None:
    for id_ in customers:
        shop.customer(id_)
        shop.happens("order.completed", id_, **properties)
    shop.run()


def alarms(shop: Shop) -> list[Alarm]:
    with shop.services.store.read() as connection:
        return list_alarms(connection)


def test_a_journey_whose_every_mail_fails_raises_an_alarm_that_says_all(orders: Shop) -> None:
    order(orders, "ana", "bo")

    [alarm] = alarms(orders)
    [finding] = examine(orders.services, orders.clock.now())

    assert (alarm.kind, alarm.subject) == (UNWRITTEN, "care/send:thanks")
    assert alarm.message.startswith("2 mails of the journey care could not be written since")
    assert "lately 100% of those of its step 'send:thanks' (template thanks)" in alarm.message
    assert alarm.message.endswith("thanks.html.j2:1: event has no 'order_id'.")
    assert finding.in_words() == alarm.message


def test_an_address_that_no_server_takes_is_not_the_template_s_failure(orders: Shop) -> None:
    for id_ in ("ana", "bo"):
        orders.customer(id_, email=f"{id_}ä@example.com")
        orders.happens("order.completed", id_, order_id="o-1")
    orders.run()

    assert alarms(orders) == []
    with orders.services.store.read() as connection:
        reasons = list(connection.scalars(select(messages.c.reason)))
    assert reasons == [NEEDS_SMTPUTF8] * 2


def test_one_odd_customer_is_no_matter(orders: Shop) -> None:
    order(orders, *["ana"] * 5)

    assert alarms(orders) == []


def test_an_alarm_tells_how_many_it_is_by_now(orders: Shop) -> None:
    order(orders, "ana", "bo")
    order(orders, "cy")

    assert [one.message.split(" of ")[0] for one in alarms(orders)] == ["3 mails"]


def test_it_is_over_once_a_mail_leaves_where_none_did(orders: Shop) -> None:
    order(orders, "ana", "bo")
    orders.mail("thanks", "Your order {{ event.order_id | default('') }}")
    orders.apply()

    order(orders, "cy")

    assert alarms(orders) == []


def test_a_few_that_fail_among_many_are_no_matter(orders: Shop) -> None:
    good = [f"c{number}" for number in range(ENOUGH)]

    order(orders, "ana")
    order(orders, *good, order_id="7")
    order(orders, "bo", "cy")

    assert alarms(orders) == []


def test_where_some_fail_a_few_good_ones_do_not_end_the_alarm(orders: Shop) -> None:
    for bad, good in ("ab", "cd", "ef"):
        order(orders, bad)
        order(orders, good, order_id="7")
    order(orders, "g", "h")
    standing = len(alarms(orders))

    order(orders, "i", order_id="7")
    after_one = len(alarms(orders))
    order(orders, "j", "k", order_id="7")

    assert (standing, after_one, len(alarms(orders))) == (1, 1, 0)


def test_failures_of_long_ago_are_forgotten(orders: Shop) -> None:
    order(orders, "ana", "bo")
    orders.later(days=6)
    standing = len(alarms(orders))

    orders.later(days=1)

    assert (standing, alarms(orders)) == (1, [])


def test_what_broke_after_years_of_good_mails_is_found_at_once(orders: Shop) -> None:
    order(orders, "ana")
    for _ in range(3):
        order(orders, *[f"c{number}" for number in range(100)], order_id="7")

    order(orders, *[f"d{number}" for number in range(15)])

    assert len(alarms(orders)) == 1


def test_a_few_odd_ones_among_many_end_an_alarm(orders: Shop) -> None:
    for batch in range(4):
        for number in range(30):
            orders.customer(f"c{batch}.{number}")
            told: dict[str, Any] = {} if number < (10 if batch == 0 else 1) else {"order_id": "7"}
            orders.happens("order.completed", f"c{batch}.{number}", **told)
            if batch == 0 and number == 9:
                orders.run()
                standing = len(alarms(orders))
        orders.run()

    assert (standing, alarms(orders)) == (1, [])
