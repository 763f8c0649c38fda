"""The past is told as it was: whoever looks back sees no later event, version or figure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rekindle.looking import explain, looking
from rekindle.portrait import load_portrait
from tests.shop import Shop

DAY = timedelta(days=1)
RISKY = "segment: risky\nmatch: {drift: active, risk: {at_least: 0.5}}\n"


@pytest.fixture
def shop(tmp_path: Path, database_url: str, now: datetime) -> Iterator[Shop]:
    made = Shop(tmp_path, database_url, now)
    made.write("segments/risky.yaml", RISKY)
    made.apply()
    for weeks in (3, 2, 1):
        made.happened("order.completed", "ana", now - weeks * 7 * DAY)
    made.run()
    yield made
    made.close()


def test_a_customer_s_drift_at_a_past_instant_is_what_it_was_then(shop: Shop, now: datetime):
    then = drift_of(shop)
    shop.later(days=5)
    shop.happens("order.completed", "ana")
    shop.run()
    since = drift_of(shop)
    shop.clock.at = now

    assert drift_of(shop) == then != since


def test_so_is_the_risk_that_was_published_that_day(shop: Shop, now: datetime):
    then = risk_of(shop, "ana")
    shop.later(days=5)
    published = risk_of(shop, "ana")
    shop.clock.at = now

    assert risk_of(shop, "ana") == then < published


def test_what_came_late_changes_a_risk_with_the_next_publication(shop: Shop, now: datetime):
    for weeks in (3, 2, 1):
        shop.happened("order.completed", "bo", now - weeks * 7 * DAY)
    shop.later(days=1)
    shop.clock.move(DAY)
    shop.happens("order.completed", "ana", ago=DAY)
    shop.run()
    today = risk_of(shop, "ana"), risk_of(shop, "bo")
    shop.later(days=1)

    assert today[0] == today[1]
    assert risk_of(shop, "ana") < risk_of(shop, "bo")


def test_a_refit_within_a_day_makes_the_risk_of_that_day_anew(
    tmp_path: Path, database_url: str, now: datetime
):
    shop = Shop(tmp_path, database_url, now)
    shop.apply()
    for customer in ("ana", "bo"):
        shop.happened("order.completed", customer, now - 10 * DAY)
    shop.run()
    of_nobody = risk_of(shop, "bo")
    shop.happens("order.completed", "ana")
    shop.later(hours=1)
    of_who_returned = risk_of(shop, "bo")
    shop.close()

    assert of_who_returned < of_nobody


def test_what_came_late_is_explained_only_from_when_it_was_known(shop: Shop, now: datetime):
    then = explained(shop)
    shop.clock.move(2 * DAY)
    shop.happens("order.completed", "ana", ago=4 * DAY)
    shop.run()
    since = explained(shop)
    shop.clock.at = now

    assert explained(shop) == then != since


def drift_of(shop: Shop) -> Any:
    return load_portrait(shop.services, "ana").drift


def risk_of(shop: Shop, customer: str) -> float:
    return float(load_portrait(shop.services, customer).drift["goal"]["risk"])


def explained(shop: Shop) -> Any:
    with looking(shop.services, "risky") as look:
        return explain(look, "risky", "ana")
