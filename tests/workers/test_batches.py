"""How many enrollments advance in one transaction."""

from itertools import count

import pytest

import workers.advance
from tests.shop import Shop
from tests.workers.journeys import write_journey
from workers.advance import advance_due
from workers.evaluate import evaluate_changes


@pytest.fixture
def crowd(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Five customers about to take their first step, two a batch."""
    monkeypatch.setattr(workers.advance, "BATCH", 2)
    write_journey(shop, "care", "start: [{event: order.completed}]\nsteps: [{wait: 1 day}]\n")
    shop.apply()
    for number in range(5):
        shop.happens("order.completed", f"c{number}")
    evaluate_changes(shop.services)
    return shop


@pytest.mark.parametrize(("pace", "on_sqlite"), [(0, 5), (15, 4), (30, 2)])
def test_batches_share_a_commit_on_sqlite_while_they_are_short(
    crowd: Shop, database_url: str, pace: int, on_sqlite: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count()  # each finds it so much later
    monkeypatch.setattr(workers.advance, "seconds_running", lambda: next(looks) * pace / 1000)

    taken = advance_due(crowd.services).looked_at

    assert taken == (on_sqlite if database_url.startswith("sqlite") else 2)
