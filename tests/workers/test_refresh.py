"""Segments kept up to date: what a refresh touches, and what becomes of one that fails."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from rekindle.looking import looking
from store.figures import list_alarms
from store.freshness import Delay, load_freshness
from store.memberships import count_members
from tests.shop import Shop
from workers.passes import LARGEST_CHUNK, SMALLEST_CHUNK, next_size
from workers.schedule import look
from workers.watching import watch_segments

BUYERS = "segment: buyers\nmatch: {event: order.completed}\n"
REFUSED = 7_777
BEYOND = f"segment: buyers\nmatch: {{event: order.completed, at_least: {REFUSED}}}\n"
READERS = "segment: readers\nmatch: {event: page.viewed}\n"


@pytest.fixture
def refusing() -> Iterator[None]:
    """A database that refuses whatever asks for so many."""

    def spoil(_c: Any, _cursor: Any, sql: str, values: Any, *_more: Any) -> tuple[str, Any]:
        given = values.values() if isinstance(values, dict) else values
        return ("SELECT nonsense", ()) if REFUSED in given else (sql, values)

    event.listen(Engine, "before_cursor_execute", spoil, retval=True)
    yield
    event.remove(Engine, "before_cursor_execute", spoil)


def a_shop_with_a_buyer(shop: Shop) -> None:
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("segments/readers.yaml", READERS)
    shop.apply()
    shop.happens("order.completed", "anna")
    shop.run()


def sizes(shop: Shop) -> dict[str, int]:
    with shop.services.store.read() as connection:
        return count_members(connection)


def test_a_segment_that_fails_keeps_its_members_and_freezes_no_other(shop, refusing):
    a_shop_with_a_buyer(shop)
    shop.write("segments/buyers.yaml", BEYOND)
    shop.apply()

    shop.happens("page.viewed", "ben")
    shop.run()

    assert sizes(shop) == {"buyers": 1, "readers": 1}


def test_a_segment_that_fails_raises_one_alarm_until_it_is_well_again(shop, refusing):
    a_shop_with_a_buyer(shop)
    shop.write("segments/buyers.yaml", BEYOND)
    shop.apply()
    shop.run()
    shop.happens("order.completed", "ben")
    shop.later(hours=2)
    with shop.services.store.read() as connection:
        (alarm,) = list_alarms(connection)

    shop.write("segments/buyers.yaml", BUYERS)
    shop.apply()
    shop.run()

    assert (alarm.kind, alarm.subject) == ("segment.failed", "buyers")
    with shop.services.store.read() as connection:
        assert list_alarms(connection) == []
    assert sizes(shop)["buyers"] == 2


def test_a_refresh_with_nothing_changed_and_nothing_due_is_one_look(shop):
    a_shop_with_a_buyer(shop)
    asked = []

    with shop.services.store.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *said: asked.append(said[2]))
        due = look(connection, shop.at)

    assert not due.is_any
    assert len(asked) == 1


def test_a_segment_says_until_when_its_members_are_right(shop):
    a_shop_with_a_buyer(shop)
    shop.happens("order.completed", "ben")
    came_at = shop.at

    shop.clock.move(timedelta(minutes=3))

    with shop.services.store.read() as connection:
        found = load_freshness(connection, shop.clock.now())["buyers"]
    assert (found.waits_for, found.refreshed_at) == (Delay.CHANGES, came_at)
    assert found.lag == timedelta(minutes=3)


def test_a_segment_that_falls_behind_raises_an_alarm_until_it_caught_up(shop):
    a_shop_with_a_buyer(shop)
    shop.happens("order.completed", "ben")
    shop.clock.move(timedelta(minutes=11))

    watch_segments(shop.services, shop.clock.now())
    raised = subjects_of_alarms(shop, "segment.stale")
    shop.run()
    watch_segments(shop.services, shop.clock.now())

    assert {"buyers", "readers"} <= raised
    assert subjects_of_alarms(shop, "segment.stale") == set()


def subjects_of_alarms(shop: Shop, kind: str) -> set[str]:
    with shop.services.store.read() as connection:
        return {one.subject for one in list_alarms(connection) if one.kind == kind}


def test_a_segment_that_fails_is_shown_with_those_it_kept(shop, refusing):
    a_shop_with_a_buyer(shop)
    shop.write("segments/buyers.yaml", BEYOND)
    shop.apply()
    shop.run()

    with looking(shop.services, "buyers") as look_:
        members = look_.members("buyers")
        fresh = load_freshness(look_.connection, shop.at)["buyers"]

    assert members == ["anna"]
    assert fresh.waits_for is Delay.FAILURE


def test_chunks_grow_and_shrink_so_that_the_writer_is_never_held_for_long():
    quick, slow = timedelta(milliseconds=5), timedelta(seconds=1)

    assert next_size(1_000, took=quick) == 2_000
    assert next_size(2_000, took=slow) == 1_000
    assert next_size(SMALLEST_CHUNK, took=slow) == SMALLEST_CHUNK
    assert next_size(LARGEST_CHUNK, took=quick) == LARGEST_CHUNK
