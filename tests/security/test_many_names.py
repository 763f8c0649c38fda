"""Whoever may post events may give each its own name: that makes nothing dearer but the names."""

import shutil
from pathlib import Path

from store.intake import record_events
from store.records import Identity, IncomingEvent
from tests.conftest import MONDAY
from tests.shop import ROOT, Shop

EVENTS, PEOPLE = 3_000, 300
STEP = 1_000  # instructions of SQLite's machine


def steps_of_a_run(folder: Path, url: str, names: int) -> int:
    """How much SQLite works to evaluate these events, in thousands of its instructions."""
    shutil.copytree(ROOT / "starter", folder)
    secrets = {
        "REKINDLE_SECRET_KEY": "for tests only, and long enough for it",
        "CHATWOOT_SECRET": "for tests only",
    }
    shop = Shop(folder, url, MONDAY, secrets)
    shop.apply()
    told = [
        IncomingEvent(
            name=f"thing{number % names}.seen",
            occurred_at=MONDAY,
            message_id=f"m{number}",
            identities=(Identity("external", f"c{number % PEOPLE}"),),
            properties={},
        )
        for number in range(EVENTS)
    ]
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with shop.services.store.begin() as tx:
        record_events(tx, told, now=MONDAY, settings=shop.services.settings)
        for_counting = tx.connection.driver_connection
        assert for_counting is not None
        for_counting.set_progress_handler(count, STEP)
    shop.run()
    for_counting.set_progress_handler(None, 0)
    shop.close()
    return steps


def test_a_name_for_each_event_costs_little_more_than_few_names(tmp_path: Path, sqlite_url: str):
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    other = shutil.copyfile(file, tmp_path / "other.db")

    few = steps_of_a_run(tmp_path / "few", sqlite_url, names=10)
    many = steps_of_a_run(tmp_path / "many", f"sqlite:///{other}", names=EVENTS)

    assert few > 100
    assert many < 2 * few, (few, many)
