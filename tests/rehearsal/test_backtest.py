"""A simulation with the deployed version decides exactly what the live engine decided."""

from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select

from rekindle.rehearsal.backtest import Simulation, simulate
from store.tables import customers, decisions, enrollments
from tests.rehearsal.mutations import Author, live_a_while, people_come
from tests.shop import LAYOUT, Shop

Decided = tuple[str, str, str, int, datetime, str, str]


def decided_live(shop: Shop, journey: str) -> list[Decided]:
    query = (
        select(
            customers.c.external_id, enrollments.c.key, decisions.c.step, decisions.c.visit,
            decisions.c.due_at, decisions.c.decision, decisions.c.reason,
        )
        .join(enrollments, enrollments.c.id == decisions.c.enrollment_id)
        .join(customers, customers.c.id == enrollments.c.customer_id)
        .where(enrollments.c.journey == journey)
    )  # fmt: skip
    with shop.services.store.read() as connection:
        return sorted(tuple(row) for row in connection.execute(query))


def decided_again(simulation: Simulation) -> list[Decided]:
    return sorted(
        (trip.customer, trip.key, one.step, one.visit, one.due_at, one.decision, one.reason)
        for trip in simulation.trips
        for one in trip.steps
    )


def as_recorded(folder: Path, url: str, now: datetime, seed: int) -> None:
    """Live for some days with edits in between, then play it all again."""
    chance = Random(seed)
    folder.mkdir()
    shop = Shop(folder, url, now)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    author = Author(shop, chance)
    author.write_first()
    shop.apply()
    people_come(shop, chance)
    for _ in range(3):
        live_a_while(shop, chance, days=2)
        author.edit()
        shop.clock.move(timedelta(minutes=1))
        shop.apply()
        shop.run()
    ends = shop.clock.now()
    for journey in sorted(author.journeys):
        again = simulate(shop.services, journey, now, ends)
        assert decided_again(again) == decided_live(shop, journey), journey
    shop.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_deployed_version_decides_as_it_did(
    tmp_path: Path, sqlite_url: str, now: datetime, seed: int
) -> None:
    as_recorded(tmp_path / "workspace", sqlite_url, now, seed)
