"""Events dated in the future: accepted as they are, and counted when their time comes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

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
