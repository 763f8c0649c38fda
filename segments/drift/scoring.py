"""Scores a bare event log, without a workspace: how likely is each customer's silence to last?"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from segments.drift.correction import Recalibration
from segments.drift.fitting import fit_priors
from segments.drift.log import EventDays
from segments.drift.priors import Priors
from segments.drift.recalibration import Clock, corrected_risks, inputs_at, recalibrate


@dataclass(frozen=True)
class LoggedEvent:
    """One line of a log."""

    customer_id: str
    day: date
    channel: str


@dataclass(frozen=True)
class Score:
    """The chance of no own event in the horizon that begins on the day."""

    customer_id: str
    chance: float


@dataclass(frozen=True)
class Scoring:
    """The scores of a log, and what was learned from it on the way."""

    scores: list[Score]
    priors: Priors
    recalibration: Recalibration


def score_log(
    events: Iterable[LoggedEvent],
    *,
    own: Collection[str] | None,
    as_of: date,
    horizon_days: float,
) -> Scoring:
    """A score for everybody with an event on an `own` channel (None: all) before `as_of`.

    Nothing that happened on that day or later is looked at.
    """
    names: dict[str, int] = {}
    known = EventDays.of(
        (names.setdefault(event.customer_id, len(names)), event.day.toordinal())
        for event in events
        if event.day < as_of and (own is None or event.channel in own)
    )
    day = float(as_of.toordinal())
    priors = fit_priors(known, day, clock="any", horizon_days=horizon_days)
    clock = Clock(known, priors)
    recalibration = recalibrate(clock, day)
    _, inputs = inputs_at(clock, day, horizon_days)
    chances = corrected_risks(recalibration, inputs).tolist()
    scores = [Score(name, chances[number]) for name, number in sorted(names.items())]
    return Scoring(scores, priors, recalibration)
