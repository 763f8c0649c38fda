"""Everybody's event days as arrays, to learn from thousands of customers at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segments.drift.priors import Pace

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Rhythms:
    """`Statistics` of many customers side by side; instants are days since 1970."""

    ids: Whole
    n: Floats
    last: Floats
    ee: Floats
    dec: Floats
    fst: Floats


@dataclass(frozen=True)
class EventDays:
    """One row an event day, sorted by customer, then by day, each day once."""

    ids: Whole  # of the customer
    days: Floats  # since 1970

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> "EventDays":
        """From customers and their days in any order, doubles allowed."""
        rows = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
        distinct = np.unique(rows, axis=0)
        return cls(distinct[:, 0], distinct[:, 1].astype(np.float64))

    def before(self, day: float) -> "EventDays":
        return self._only(self.days < day)

    def sampled(self, customers: int) -> "EventDays":
        """At most so many customers, evenly picked by their ids."""
        everybody = np.unique(self.ids)
        one_in = -(-len(everybody) // customers)
        return self if one_in <= 1 else self._only(np.isin(self.ids, everybody[::one_in]))

    def within(self, begin: float, end: float) -> Whole:
        """The customers with an event from `begin` on, before `end`."""
        return np.unique(self.ids[(self.days >= begin) & (self.days < end)])

    @cached_property
    def everybody(self) -> list[int]:
        """The customers, in order."""
        ids: list[int] = self.ids[self.firsts].tolist()
        return ids

    @cached_property
    def gaps(self) -> Floats:
        """All ended gaps, in the order of the rows."""
        gaps: Floats = np.diff(self.days)[np.diff(self.ids) == 0]
        return gaps

    @cached_property
    def firsts(self) -> Whole:
        """The row of each customer's first event day."""
        starts: Whole = np.flatnonzero(np.diff(self.ids, prepend=-1))
        return starts

    @cached_property
    def counts(self) -> Whole:
        """How many event days each customer has."""
        return np.diff(self.firsts, append=len(self.ids)).astype(np.int64)

    def rhythms(self, pace: Pace) -> Rhythms:
        """What `fold` makes of each customer's days."""
        rank = np.repeat(np.arange(len(self.counts)), self.counts)
        last = self.days[self.firsts + self.counts - 1]
        later = np.repeat(self.firsts + self.counts - 1, self.counts) - np.arange(len(self.ids))
        gaps = np.diff(self.days, prepend=0.0)
        gaps[self.firsts] = 0.0
        age = (last[rank] - self.days) / pace.horizon_days
        return Rhythms(
            ids=self.ids[self.firsts],
            n=self.counts.astype(np.float64),
            last=last,
            ee=_summed(rank, gaps * pace.rho**later),
            dec=_summed(rank, 2.0**-age),
            fst=_summed(rank, 2.0 ** (-3 * age)),
        )

    def _only(self, rows: NDArray[np.bool_]) -> "EventDays":
        return EventDays(self.ids[rows], self.days[rows])


def _summed(rank: Whole, values: Floats) -> Floats:
    return np.bincount(rank, values).astype(np.float64)
