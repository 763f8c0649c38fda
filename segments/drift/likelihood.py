"""How well parameters explain a log: the likelihood of every ended gap and every silence.

With rho = 1 this is the likelihood of the MBG/NBD model (Batislam, Denizel & Filiztekin 2007), and
where nobody can leave after their first event, that of the BG/NBD model (Fader, Hardie & Lee 2005).
"""

from dataclasses import dataclass

import numpy as np

from segments.drift.log import EventDays, Floats, Whole
from segments.drift.model import discounted_count
from segments.drift.priors import Pace

Parameters = tuple[float, float, float, float]  # r, alpha, a, b


@dataclass(frozen=True)
class Evidence:
    """A log under one rho: what each gap and each silence had before it."""

    gap: Floats
    k: Floats  # discounted number of gaps before that gap
    ee: Floats  # and their discounted sum
    ordinals: Floats  # how many gaps are their customer's first, second, …
    silence: Floats  # of each customer, so far
    n: Floats  # each customer's chances to have left
    last_k: Floats
    last_ee: Floats

    @classmethod
    def of(
        cls, days: EventDays, as_of: float, rho: float, *, leaves_after_first: bool = True
    ) -> "Evidence":
        rhythms = days.rhythms(Pace(rho, horizon_days=1.0))
        ordinal, ee = _before_each_gap(days, rho)
        spared = 0 if leaves_after_first else 1
        counted = np.bincount(ordinal)[1 + spared :].astype(np.float64)
        return cls(
            gap=days.gaps,
            k=discounted_count(ordinal.astype(np.float64) - 1, rho),
            ee=ee,
            ordinals=counted,
            silence=as_of - rhythms.last,
            n=rhythms.n - spared,
            last_k=discounted_count(rhythms.n - 1, rho),
            last_ee=rhythms.ee,
        )

    def log_likelihood(self, parameters: Parameters) -> tuple[float, Floats]:
        """And its derivatives by the parameters."""
        r, alpha, a, b = parameters
        gaps, gaps_by = self._of_gaps(r, alpha)
        stays, stays_by = self._of_stays(a, b)
        silences, silences_by = self._of_silences(r, alpha, a, b)
        return gaps + stays + silences, np.concatenate([gaps_by, stays_by]) + silences_by

    def _of_gaps(self, r: float, alpha: float) -> tuple[float, Floats]:
        """Each gap has a Lomax density, given those before it."""
        k, scale = r + self.k, alpha + self.ee
        before, after = np.log(scale), np.log(scale + self.gap)
        total = np.log(k) + k * before - (k + 1) * after
        by_r = 1 / k + before - after
        by_alpha = k / scale - (k + 1) / (scale + self.gap)
        return float(total.sum()), np.array([by_r.sum(), by_alpha.sum()])

    def _of_stays(self, a: float, b: float) -> tuple[float, Floats]:
        """Whoever came again had not left before."""
        left = np.arange(len(self.ordinals))
        total = self.ordinals * np.log((b + left) / (a + b + left))
        by_a = -self.ordinals / (a + b + left)
        by_b = by_a + self.ordinals / (b + left)
        return float(total.sum()), np.array([by_a.sum(), by_b.sum()])

    def _of_silences(self, r: float, alpha: float, a: float, b: float) -> tuple[float, Floats]:
        """Each silence so far, of somebody who has left or has not."""
        k, scale = r + self.last_k, alpha + self.last_ee
        may_leave = self.n > 0
        chances = np.where(may_leave, a + b + self.n - 1, 1.0)
        dropout = np.where(may_leave, a / chances, 0.0)
        faded = np.log(scale / (scale + self.silence))
        survival = np.exp(k * faded)
        silent = dropout + (1 - dropout) * survival
        by_survival = (1 - dropout) * survival / silent
        by_dropout = np.where(may_leave, (1 - survival) / silent, 0.0)
        by_alpha = by_survival * k * (1 / scale - 1 / (scale + self.silence))
        by_a = by_dropout * (chances - a) / chances**2
        by_b = -by_dropout * a / chances**2
        slopes = (by_survival * faded, by_alpha, by_a, by_b)
        return float(np.log(silent).sum()), np.array([slope.sum() for slope in slopes])


def _before_each_gap(days: EventDays, rho: float) -> tuple[Whole, Floats]:
    """Of each gap its ordinal, from 1, and the discounted sum of the gaps before it."""
    row = np.arange(len(days.ids)) - np.repeat(days.firsts, days.counts)
    ordinal = row[row > 0]
    rank = np.repeat(np.arange(len(days.counts)), days.counts)[row > 0]
    sums, so_far = np.zeros(len(ordinal)), np.zeros(len(days.counts))
    in_order = np.argsort(ordinal, kind="stable")  # everybody's first gaps, then the second ones
    for same in np.split(in_order, np.cumsum(np.bincount(ordinal)[1:-1])) if len(ordinal) else ():
        sums[same] = so_far[rank[same]]
        so_far[rank[same]] = rho * so_far[rank[same]] + days.gaps[same]
    return ordinal, sums
