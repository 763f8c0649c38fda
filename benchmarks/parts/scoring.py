"""Drift for the benchmark: rows to score, a log to learn from, and both done by hand as well."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import cycle
from math import log
from zoneinfo import ZoneInfo

import numpy as np
from scipy.optimize import minimize
from sqlalchemy import insert, select, text

from benchmarks.parts.report import clock_of, in_turn
from rekindle.migrating import upgrade
from segments.drift.fitting import RHOS, fit_priors
from segments.drift.log import EventDays, Floats
from segments.drift.priors import Priors
from segments.drift.rhythms import Asked
from segments.drift.winding import Winding, winding_values
from segments.lexicon import Lexicon
from store.drift import insert_priors
from store.session import Store
from store.tables import drift_states

NOW = datetime(2026, 11, 2, tzinfo=UTC)
DAY = 86_400_000_000
CHUNK = 50_000  # rows in one insert
LEXICON = Lexicon(frozenset({"store"}), ("order.completed",), ZoneInfo("UTC"), {})
CROSSINGS = ("cooling_at", "drifting_at", "dormant_at", "lost_at")
LEARNED = (
    Priors("goal", 0.43, 38.0, 0.46, 1.12, 0.8, 364.0, 90.0),
    Priors("goal", 0.44, 39.0, 0.45, 1.1, 0.8, 350.0, 90.0),
)


class Scored:
    """A table of drift states. Each scoring has other parameters, so that every row is written."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cross = Winding(LEXICON, "goal", store.engine.dialect.name, Asked(True)).cross
        self.learned = cycle(LEARNED)

    def score(self) -> None:
        """As the product does it when parameters were learned anew."""
        self._score(next(self.learned))

    def score_by_hand(self) -> None:
        """The same as one statement that was written for the occasion."""
        self._score_by_hand(next(self.learned))

    def check(self) -> None:
        """Both find the same instants, to a millisecond. Raises AssertionError."""
        self.score()
        ours = self._instants()
        next(self.learned)
        self.score_by_hand()
        assert np.abs(ours - self._instants()).max() < 0.001

    def _score(self, priors: Priors) -> None:
        with self.store.begin() as tx:
            number = insert_priors(tx, asdict(priors), NOW)
            tx.execute(self.cross, winding_values(number, priors, NOW))

    def _score_by_hand(self, priors: Priors) -> None:
        with self.store.begin() as tx:
            number = insert_priors(tx, asdict(priors), NOW)
            tx.execute(text(by_hand(priors, number, tx.dialect.name)))

    def _instants(self) -> Floats:
        query = select(*(drift_states.c[name] for name in CROSSINGS))
        with self.store.read() as connection:
            rows = connection.execute(query.order_by(drift_states.c.customer_id).limit(1_000))
            return np.array([[instant.timestamp() for instant in row] for row in rows])


def by_hand(priors: Priors, number: int, dialect: str) -> str:
    """One UPDATE with everything that does not depend on the row worked out before."""
    p, greatest, least = priors, "max", "min"
    if dialect == "postgresql":
        greatest, least = "greatest", "least"
    k = f"({p.r + 1 / (1 - p.rho)} - exp((n - 1) * {log(p.rho)}) * {1 / (1 - p.rho)})"
    scale, odds = f"({p.alpha} + ee)", f"({p.a} / ({p.b - 1} + n))"
    survival = f"exp(-{k} * ln(1 + {p.lapse_days} / {scale}))"

    def reached(level: float) -> str:
        left = f"(({survival} + {odds}) / {level} - {odds})"
        silence = f"{scale} * (exp(-ln({left}) / {k}) - 1)"
        return f"{least}({p.lapse_days}, {greatest}(0, {silence}))"

    usual = f"{scale} * (exp({log(2)} / {k}) - 1)"
    cooling = f"{least}({greatest}({reached(0.35)}, {usual}), {reached(0.65)})"
    silences = (cooling, reached(0.65), reached(0.85), str(p.lapse_days))
    instants = (f"last_at + cast(round({DAY}.0 * {one}) as bigint)" for one in silences)
    written = ", ".join(f"{name} = {at}" for name, at in zip(CROSSINGS, instants, strict=True))
    return f"UPDATE drift_states SET priors_id = {number}, {written} WHERE clock = 'goal'"


@contextmanager
def filled(url: str, customers: int) -> Iterator[Scored]:
    """A database with so many drift states, as of a shop whose people come every month or so."""
    store = Store(url)
    try:
        upgrade(store)
        chance = np.random.default_rng(7)
        with store.begin() as tx:
            insert_priors(tx, asdict(LEARNED[1]), NOW)
            for first in range(1, customers + 1, CHUNK):
                last = min(first + CHUNK, customers + 1)
                tx.execute(insert(drift_states), _rows(chance, first, last))
        yield Scored(store)
    finally:
        store.close()


def measure_scoring(url: str, customers: int, repeats: int) -> tuple[list[float], list[float]]:
    """Seconds in which that many are scored, by us and by hand in turn."""
    with filled(url, customers) as states:
        states.check()
        clock = clock_of(states.store)
        return in_turn(states.score, states.score_by_hand, repeats, clock)


def _rows(chance: np.random.Generator, first: int, last: int) -> list[dict[str, object]]:
    today = NOW.timestamp() // 86_400
    n = 1 + chance.geometric(0.25, last - first)
    silence = chance.integers(0, 700, last - first)
    ee = np.where(n > 1, chance.exponential(60.0, last - first) + 1, 0.0)
    made = []
    for place, customer in enumerate(range(first, last)):
        at = datetime.fromtimestamp((today - int(silence[place])) * 86_400, UTC)
        instants = dict.fromkeys((*CROSSINGS, "first_at", "last_at", "day_over_at", "wound_at"), at)
        made.append(
            {
                "clock": "goal", "customer_id": customer, "priors_id": 1, "n": int(n[place]),
                "ee": float(ee[place]), "dec": 1.0, "fst": 1.0, **instants,
            }
        )  # fmt: skip
    return made


# --- learning ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Learning:
    """A log, and the day on which it is learned from."""

    days: EventDays
    as_of: float

    @classmethod
    def of(cls, customers: int) -> "Learning":
        """People with rates of their own who stop for ever now and then, over three years."""
        chance = np.random.default_rng(7)
        end, rows = 1_100, []
        for customer in range(customers):
            day, pace = float(chance.integers(0, end)), 1 / chance.gamma(0.5, 1 / 20)
            while day < end:
                rows.append((customer, int(day)))
                day = day + 1 + chance.exponential(pace) if chance.random() < 0.8 else end
        return cls(EventDays.of(rows), float(end))

    def fit(self) -> Priors:
        return fit_priors(self.days, self.as_of, clock="goal", horizon_days=90.0)

    @cached_property
    def prepared(self) -> dict[float, "Likelihood"]:
        """What the hand-written one is spared: its arrays are made outside the clock."""
        return {rho: Likelihood(self.days, self.as_of, rho) for rho in RHOS}

    def fit_by_hand(self) -> float:
        """The best log-likelihood of all rhos."""
        return max(climb(self.prepared[rho]) for rho in RHOS)

    def check(self) -> None:
        """Both climb equally high. Raises AssertionError."""
        ours = self.fit()
        logs = np.log([ours.r, ours.alpha, ours.a, ours.b])
        reached = -self.prepared[ours.rho](logs)
        assert abs(reached - self.fit_by_hand()) < 1.0


class Likelihood:
    """Written once more for one log, with numpy's arrays and no slopes."""

    def __init__(self, days: EventDays, as_of: float, rho: float) -> None:
        gaps: list[tuple[float, float, float, int]] = []
        ends: list[tuple[float, float, float, int]] = []
        for theirs in np.split(days.days, days.firsts[1:]):
            ee = k = 0.0
            for place, gap in enumerate(np.diff(theirs), 1):
                gaps.append((gap, k, ee, place))
                ee, k = rho * ee + gap, rho * k + 1
            ends.append((as_of - theirs[-1], k, ee, len(theirs)))
        self.gaps, self.ends = np.array(gaps).T, np.array(ends).T

    def __call__(self, logs: Floats) -> float:
        r, alpha, a, b = np.exp(logs)
        gap, k, ee, place = self.gaps
        scale = alpha + ee
        total = (np.log(r + k) + (r + k) * np.log(scale)).sum()
        total -= ((r + k + 1) * np.log(scale + gap)).sum()
        total += np.log((b + place - 1) / (a + b + place - 1)).sum()
        silence, k, ee, n = self.ends
        gone = a / (a + b + n - 1)
        total += np.log(gone + (1 - gone) * (1 + silence / (alpha + ee)) ** -(r + k)).sum()
        return -float(total)


def climb(likelihood: Likelihood) -> float:
    found = minimize(likelihood, np.log([0.4, 12.0, 0.6, 1.4]), method="L-BFGS-B")
    return -float(found.fun)
