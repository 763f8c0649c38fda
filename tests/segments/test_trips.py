"""Every status of a journey, at every instant of four trips, is the oracle's on both databases."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from segments.definition import parse_condition
from store.session import Store
from tests.segments.judging import Judge
from tests.segments.oracle import Trip, World
from tests.segments.walking import Walk

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATUSES = ("active", "finished", "goal", "exited", "held_out", "never")


def trip(customer: int, journey: str, ended: str | None, *, is_held_out: bool = False) -> Trip:
    ended_at = NOON + 2 * HOUR if ended else None
    return Trip(customer, journey, NOON, ended_at, ended, is_held_out, key="")


TRIPS = (
    trip(1, "welcome", None),
    trip(2, "welcome", "goal"),
    trip(1, "win_back", "exited"),
    trip(2, "win_back", None, is_held_out=True),
)
RULES = {
    f"{journey} {status}": parse_condition({"journey": journey, "status": [status]})
    for journey in ("welcome", "win_back")
    for status in STATUSES
}


@pytest.mark.parametrize("ahead", [timedelta(0), HOUR], ids=["at the instant", "an hour later"])
def test_a_trip_has_at_each_instant_the_status_that_it_had(store: Store, ahead: timedelta):
    with store.begin() as tx:
        rehearsal = tx.begin_nested()
        kept = Walk.begin(tx, world(), RULES, NOON - HOUR)
        judge = Judge(kept, RULES)
        for at in (NOON, NOON + 2 * HOUR):
            kept.receive(at)
            kept.work(at + ahead)
            judge.compare(at + ahead, is_afresh=True)
        rehearsal.rollback()


def world() -> World:
    return World(
        acts=(),
        said=(),
        own_channels=frozenset({"email", "web"}),
        zone=ZoneInfo("Europe/Berlin"),
        segments={},
        trips=TRIPS,
        mails=(),
        answers=(),
        rhythms=(),
        publications=(),
        as_published=None,
    )
