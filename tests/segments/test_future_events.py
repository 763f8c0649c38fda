"""Events dated in the future: accepted as they are, and counted when their time comes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from store.customers import ids_of
from store.intake import OwnEvent, record_own_events
from store.tables import memberships
from tests.shop import Shop

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def shop(tmp_path: Path, database_url: str, now) -> Iterator[Shop]:
    opened = Shop(tmp_path, database_url, now)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "rule", ["{not: {drift: lost}}", "{event: order.completed, within: 30 days}"]
)
def test_an_order_of_later_today_counts_then_without_another_word(shop: Shop, now, rule: str):
    shop.write("segments/fresh.yaml", f"segment: fresh\nmatch: {rule}\n")
    shop.apply()
    shop.customer("anna")
    for week in range(60, 70):
        shop.happened("order.completed", "anna", now - week * 7 * DAY)
    shop.happened("order.completed", "anna", now + 3 * HOUR)
    shop.run()
    before = members(shop)

    shop.later(hours=3)

    assert (before, members(shop)) == (0, 1)


def members(shop: Shop) -> int:
    with shop.services.store.read() as connection:
        return len(connection.execute(select(memberships).where(memberships.c.is_member)).all())


def test_what_will_be_answered_counts_until_then(shop: Shop, now):
    answered = "without_later: [ticket.closed], same: ticket_id"
    shop.write(
        "segments/open.yaml", f"segment: open\nmatch: {{event: ticket.opened, {answered}}}\n"
    )
    shop.apply()
    shop.customer("anna")
    shop.happened("ticket.opened", "anna", now - HOUR, ticket_id="7")
    shop.happened("ticket.closed", "anna", now + 3 * HOUR, ticket_id="7")
    shop.run()
    before = members(shop)

    shop.later(hours=3)

    assert (before, members(shop)) == (1, 0)


def test_news_of_a_mail_does_not_hide_an_order_that_came_meanwhile(shop: Shop, now):
    rule = "{any: [{drift: active}, {event: message.sent, at_least: 5}]}"
    shop.write("segments/fresh.yaml", f"segment: fresh\nmatch: {rule}\n")
    shop.apply()
    shop.customer("anna")
    shop.happened("order.completed", "anna", now + 3 * HOUR)
    shop.run()
    before = members(shop)

    shop.clock.move(3 * HOUR)
    with shop.services.store.begin() as tx:
        anna = ids_of(tx, ["anna"])["anna"]
        told = OwnEvent(anna, "message.sent", shop.clock.now(), "told", {})
        record_own_events(tx, [told], shop.clock.now())
    shop.run()

    assert (before, members(shop)) == (0, 1)
