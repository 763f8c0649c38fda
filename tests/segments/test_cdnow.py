"""Drift on the real history of 23,570 customers of a record shop, 1997 to 1998."""

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from segments.drift.figures import DriftFigures
from segments.drift.priors import Priors, default_priors
from segments.drift.states import figures
from tests.segments.drift_oracle import gaps_between, state_of

NOW = datetime(1998, 7, 1, 10, tzinfo=UTC)
FAR = ("drifting", "dormant", "lost")


@pytest.fixture(scope="module")
def days(shared: Path) -> dict[str, list[date]]:
    """Each customer's days with an order."""
    found: dict[str, list[date]] = {}
    file = shared / "data" / "drift" / "cdnow_master.csv.gz"
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["customer_id"], []).append(date.fromisoformat(row["ts"]))
    return found


@pytest.fixture(scope="module")
def priors(days: dict[str, list[date]]) -> Priors:
    return default_priors("goal", [gap for theirs in days.values() for gap in gaps_between(theirs)])


@pytest.fixture(scope="module")
def drift(days: dict[str, list[date]], priors: Priors) -> dict[str, DriftFigures]:
    zone = ZoneInfo("UTC")
    return {
        customer: figures(state_of(theirs, priors, zone), priors, NOW, zone)
        for customer, theirs in days.items()
    }


def test_everybody_silent_for_the_lapse_limit_is_lost(
    days: dict[str, list[date]], drift: dict[str, DriftFigures], priors: Priors
):
    limit = timedelta(days=priors.lapse_days)
    silent = [c for c, theirs in days.items() if NOW.date() - max(theirs) >= limit]

    assert len(silent) > 10_000
    assert all(drift[customer].state == "lost" for customer in silent)


def test_nobody_with_an_order_in_the_last_fourteen_days_drifts(
    days: dict[str, list[date]], drift: dict[str, DriftFigures]
):
    fresh = [c for c, theirs in days.items() if NOW.date() - max(theirs) <= timedelta(days=14)]

    assert len(fresh) > 300
    assert not [customer for customer in fresh if drift[customer].state in FAR]


def test_the_lapse_limit_is_learned_from_those_who_came_back(priors: Priors):
    assert 300 < priors.lapse_days < 400
    assert priors.alpha < 60
