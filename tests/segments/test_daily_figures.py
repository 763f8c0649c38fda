"""Places among all customers: published once a day, in force until the next version."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from segments.days import published_at
from store.tables import event_kinds, events, memberships, quintiles
from tests.shop import Shop

DAY = timedelta(days=1)


@pytest.fixture
def shop(tmp_path: Path, database_url: str, now) -> Iterator[Shop]:
    made = Shop(tmp_path, database_url, now)
    made.write("segments/best.yaml", "segment: best\nmatch: {rfm: {frequency: 4..5}}\n")
    made.apply()
    for number in range(1, 6):
        for day in range(number):
            made.happened("order.completed", f"c{number}", now - (day + 1) * DAY, total=5)
    yield made
    made.close()


def test_a_day_has_one_version_and_the_next_day_another(shop: Shop):
    shop.run()
    first = (members(shop), versions(shop))
    for _ in range(5):
        shop.happens("order.completed", "c1")
    shop.run()
    same_day = (members(shop), versions(shop))
    shop.later(days=1)

    assert first == same_day == ({4, 5}, 1)
    assert (members(shop), versions(shop)) == ({1, 5}, 2)
    assert causes(shop) == ["first", "first", "refit", "refit"]


def test_the_hour_belongs_to_the_brand(now):
    assert published_at(now, ZoneInfo("UTC")).hour == 4
    assert published_at(now, ZoneInfo("Asia/Riyadh")).hour == 1
    assert published_at(now.replace(hour=3), ZoneInfo("UTC")).day == now.day - 1


def members(shop: Shop) -> set[int]:
    with shop.services.store.read() as connection:
        query = select(memberships.c.customer_id).where(memberships.c.is_member)
        return set(connection.scalars(query))


def versions(shop: Shop) -> int:
    with shop.services.store.read() as connection:
        return len(connection.execute(select(quintiles)).all())


def causes(shop: Shop) -> list[str]:
    query = select(events.c.properties).join(event_kinds, event_kinds.c.id == events.c.kind_id)
    with shop.services.store.read() as connection:
        found = connection.scalars(query.where(event_kinds.c.name.like("segment.%")))
        return sorted(one["cause"] for one in found)
