"""How many enrollments advance in one transaction."""

import pytest

from rekindle.services import Services
from tests.shop import Shop
from tests.workers.journeys import write_journey
from workers.advance import BATCH, MOST_EFFECTS, advance_due
from workers.counts import Counts
from workers.evaluate import evaluate_changes

CROWD = MOST_EFFECTS + 100


def advance(services: Services) -> Counts:
    return advance_due(services, services.clock.now())


@pytest.fixture
def crowd(shop: Shop) -> Shop:
    """More customers than may act in one batch, all about to take their first step."""
    write_journey(
        shop,
        "care",
        "start: [{event: order.completed}]\nsteps: [{emit: care.began}, {wait: 1 day}]\n",
    )
    shop.apply()
    for number in range(CROWD):
        shop.customer(f"c{number}")
        shop.happens("order.completed", f"c{number}")
    while evaluate_changes(shop.services, shop.clock.now()).events:
        pass
    return shop


def test_who_would_be_one_too_many_to_act_stays_due_and_acts_in_the_next_batch(crowd: Shop) -> None:
    first, second, third = (advance(crowd.services) for _ in range(3))

    assert BATCH > CROWD
    assert (first.looked_at, first.advanced) == (CROWD, MOST_EFFECTS)
    assert (second.looked_at, second.advanced) == (CROWD - MOST_EFFECTS,) * 2
    assert third == Counts()
