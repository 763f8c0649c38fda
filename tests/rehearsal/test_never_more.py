"""A plan adds up, and applying never mails more people than it said: random edits, then the real
day.
"""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select

from rekindle.rehearsal.consequences import Plan
from rekindle.rehearsal.plan import make_plan
from rekindle.workspace.applying import NotApplied
from store.tables import enrollments, messages
from tests.rehearsal.mutations import Author, live_a_while, open_authored
from tests.rehearsal.sums import check_sums
from tests.shop import Shop
from workers.schedule import next_due_at

A_DAY = timedelta(hours=24)


def sent_since(shop: Shop, since: datetime, before: set[int]) -> dict[int, str]:
    query = (
        select(messages.c.id, enrollments.c.journey)
        .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
        .where(messages.c.sent_at >= since)
    )
    with shop.services.store.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query) if row[0] not in before}


def live_a_day(shop: Shop, chance: Random, *, is_prompt: bool) -> None:
    """The engine looks when something is due, or when it gets to it; nothing comes from outside."""
    ends_at = shop.clock.now() + A_DAY
    shop.run()
    while shop.clock.now() < ends_at:
        with shop.services.store.read() as connection:
            due_at = next_due_at(connection) or ends_at
        delay = timedelta(seconds=1) if is_prompt else timedelta(hours=chance.choice([0.2, 3, 9]))
        shop.clock.at = min(due_at + chance.random() * delay, ends_at)
        shop.run()


def planned_by(author: Author) -> Plan:
    """A move that leaves somebody no place has no plan; then they finish on their version."""
    try:
        return make_plan(author.shop.services)
    except NotApplied:
        author.move_nobody()
        return make_plan(author.shop.services)


def check_inside(shop: Shop, planned: Plan) -> None:
    """Whoever moves, is put out or stays was inside, and nobody does two of it."""
    query = select(enrollments.c.journey, enrollments.c.customer_id).where(
        enrollments.c.ended_at.is_(None)
    )
    with shop.services.store.read() as connection:
        inside = {tuple(row) for row in connection.execute(query)}
    for one in planned.journeys:
        found = [*one.move, *one.exit, *one.stay]
        assert {(one.journey, id_) for id_ in found} <= inside
        assert not one.stay & (one.move | one.exit)


def never_more(folder: Path, url: str, now: datetime, seed: int, edits: int) -> None:
    """Which of two journeys wins under a cap is a matter of when the engine looks; how many mails
    there are is not.
    """
    chance, is_prompt = Random(seed), bool(seed % 2)
    shop, author = open_authored(folder, url, now, chance)
    live_a_while(shop, chance, days=3)
    for _ in range(edits):
        author.edit()
        planned = planned_by(author)
        check_sums(planned)
        check_inside(shop, planned)
        since = shop.clock.now()
        before = set(sent_since(shop, since, set()))
        shop.apply()
        live_a_day(shop, chance, is_prompt=is_prompt)
        sent = Counter(sent_since(shop, since, before).values())
        allowed = {one.journey: one.mails_24h for one in planned.journeys}
        assert sent.total() <= planned.mails_24h
        if is_prompt:
            assert all(count <= allowed[name] for name, count in sent.items()), (sent, allowed)
    shop.close()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.deep)])
def test_a_real_day_never_mails_more_than_was_planned(
    tmp_path: Path, sqlite_url: str, now: datetime, seed: int
) -> None:
    never_more(tmp_path / "workspace", sqlite_url, now, seed, edits=2)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 160))
def test_a_real_day_never_mails_more_after_many_edits(
    tmp_path: Path, database_url: str, now: datetime, seed: int
) -> None:
    never_more(tmp_path / "workspace", database_url, now, seed, edits=4)
