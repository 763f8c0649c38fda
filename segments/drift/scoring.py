"""Scores a bare event log, without a workspace: how likely is each customer's silence to last?"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from segments.drift.model import Posterior
from segments.drift.priors import default_priors, gaps_between
from segments.drift.statistics import fold


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


def score_log(
    events: Iterable[LoggedEvent],
    *,
    own: Collection[str] | None,
    as_of: date,
    horizon_days: float,
) -> list[Score]:
    """A score for everybody with an event on an `own` channel (None: all) before `as_of`."""
    days: dict[str, list[date]] = {}
    for event in events:
        if event.day < as_of and (own is None or event.channel in own):
            days.setdefault(event.customer_id, []).append(event.day)
    gaps = [gap for of_customer in days.values() for gap in gaps_between(of_customer)]
    priors = default_priors("any", gaps, horizon_days=horizon_days)
    scores = []
    for customer_id, of_customer in sorted(days.items()):
        if statistics := fold(of_customer, priors.pace):
            silence = (as_of - statistics.last_on).days
            chance = Posterior.of(statistics, priors).inactive(silence)
            scores.append(Score(customer_id, chance))
    return scores
