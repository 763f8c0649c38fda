"""The bar that drift is held to, on complete public logs: ranking, honesty, early warning."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from math import ceil
from pathlib import Path

import pytest

from rekindle.cli.drift import read_log
from segments.drift.fitting import fit_priors
from segments.drift.log import EventDays
from segments.drift.model import Posterior
from segments.drift.priors import Priors
from segments.drift.states import DRIFTING, ESTABLISHED
from tests.segments.drift_oracle import Statistics, crossing

SCORER = (
    f"{sys.executable} -m rekindle drift --events {{calib}} --own {{own}} --as-of {{cutoff}} "
    "--horizon {horizon} --out {out}"
)
PEOPLE = "author,commit,review,ack,test,report,signoff,suggest,help,mentor"
deep = pytest.mark.deep


@dataclass(frozen=True)
class Protocol:
    """A log, from when on its silences are judged, and what silence counts as a loss."""

    file: str
    own: str
    start: date
    limit: int  # days


PROTOCOLS = [
    pytest.param(Protocol("cdnow_master", "", date(1997, 10, 1), 150), id="cdnow"),
    pytest.param(Protocol("git_contributors", PEOPLE, date(2015, 1, 1), 365), id="git"),
]


@dataclass(frozen=True)
class Silence:
    """What was believed after one event, and how long nothing followed."""

    customer: str
    after: date
    posterior: Posterior[float]
    lasted: int  # days, at least `limit` where the end of the log cuts it short


@cache
def silences(shared: Path, protocol: Protocol) -> list[Silence]:
    """Those of established customers since the start, all observed for the whole limit."""
    days = event_days(shared, protocol)
    end = max(max(theirs) for theirs in days.values()) + timedelta(days=1)
    log = EventDays.of(
        (number, day.toordinal())
        for number, theirs in enumerate(days.values())
        for day in theirs
    )  # fmt: skip
    learned = fit_priors(log, protocol.start.toordinal(), clock="any", horizon_days=90)
    priors = replace(learned, lapse_days=float(protocol.limit))
    return [
        Silence(customer, after, posterior, ((following or end) - after).days)
        for customer, theirs in days.items()
        for after, following, posterior in beliefs(sorted(theirs), priors)
        if protocol.start <= after <= end - timedelta(days=protocol.limit)
    ]


def event_days(shared: Path, protocol: Protocol) -> dict[str, set[date]]:
    found: dict[str, set[date]] = {}
    for event in read_log(shared / "data" / "drift" / f"{protocol.file}.csv.gz"):
        if not protocol.own or event.channel in protocol.own.split(","):
            found.setdefault(event.customer_id, set()).add(event.day)
    return found


def beliefs(
    days: list[date], priors: Priors
) -> Iterator[tuple[date, date | None, Posterior[float]]]:
    """After each event day from the third on: the day, the next one, what is believed."""
    rhythm = Statistics.started(days[0])
    for place, (day, following) in enumerate(zip(days, [*days[1:], None], strict=True), 1):
        rhythm = rhythm.after(day, priors.pace)
        if place >= ESTABLISHED:
            yield day, following, rhythm.posterior(priors)


@pytest.mark.parametrize(
    "suite",
    ["cdnow", *(pytest.param(name, marks=deep) for name in ("cdnow_roll", "git", "dpdk"))],
)
def test_any_log_is_ranked_and_foretold_well_enough(shared: Path, suite: str):
    judge, data = str(shared / "bench" / "eval_drift.py"), str(shared / "data" / "drift")

    judged = subprocess.run(
        [sys.executable, judge, "suite", suite, "--data", data, "--scorer", SCORER],
        text=True, capture_output=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip

    assert judged.returncode == 0, judged.stdout + judged.stderr


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("level", [0.50, 0.65, 0.80])
def test_of_ten_silences_called_likely_to_last_as_many_do(
    shared: Path, protocol: Protocol, level: float
):
    reached = [
        one for one in silences(shared, protocol) if one.lasted >= crossing(one.posterior, level)
    ]

    share = sum(one.lasted >= protocol.limit for one in reached) / len(reached)

    assert len(reached) > 500
    assert share == pytest.approx(level, abs=0.10)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_drift_is_noticed_earlier_than_by_one_number_of_days_for_all(
    shared: Path, protocol: Protocol
):
    """At the same share of false alarms."""
    found = silences(shared, protocol)
    false = lapses = delay = 0.0
    for one in found:
        waited = min(ceil(crossing(one.posterior, DRIFTING)), protocol.limit)
        if one.lasted >= protocol.limit:
            lapses, delay = lapses + 1, delay + waited
        else:
            false += waited < one.lasted
    ended = sorted(one.lasted for one in found if one.lasted < protocol.limit)

    same_for_all = ended[round((1 - false / len(ended)) * (len(ended) - 1))]

    assert delay / lapses <= same_for_all
