"""Ours next to what is possible here: a table for people, one JSON document for programs."""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from store.session import Store

Clock = Callable[[], float]


@dataclass(frozen=True)
class Figure:
    """One measured quantity: the median of each side's runs."""

    name: str
    unit: str
    ours: Sequence[float]
    limit: Sequence[float]
    more_is_better: bool

    @property
    def ratio(self) -> float:
        """Ours divided by the limit, whichever way is better."""
        return median(self.ours) / median(self.limit)


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="one JSON document, nothing else")
    parser.add_argument("--repeats", type=int, default=3, help="runs a side; the median counts")
    return parser


def clock_of(store: Store) -> Clock:
    """The time of this process where the database is inside it, which other work slows less."""
    return time.process_time if store.is_sqlite else time.perf_counter


def in_turn(
    ours: Callable[[], object],
    limit: Callable[[], object],
    repeats: int,
    clock: Clock = time.perf_counter,
) -> tuple[list[float], list[float]]:
    """Seconds of each, run alternately."""
    pairs = [(_seconds(ours, clock), _seconds(limit, clock)) for _ in range(repeats)]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _seconds(work: Callable[[], object], clock: Clock) -> float:
    begun = clock()
    work()
    return clock() - begun


def print_figures(figures: Sequence[Figure], *, as_json: bool) -> None:
    print(_document(figures) if as_json else _table(figures))


def _document(figures: Sequence[Figure]) -> str:
    return json.dumps(
        {
            one.name: {
                "ours": round(median(one.ours), 5),
                "limit": round(median(one.limit), 5),
                "ratio": round(one.ratio, 3),
                "unit": one.unit,
            }
            for one in figures
        },
        indent=2,
    )


def _table(figures: Sequence[Figure]) -> str:
    lines = [f"{'':<25}{'ours':>12}{'limit':>12}{'ratio':>9}  unit"]
    for one in figures:
        better = "more is better" if one.more_is_better else "less is better"
        lines.append(
            f"{one.name:<25}{_written(median(one.ours)):>12}{_written(median(one.limit)):>12}"
            f"{one.ratio:>9.2f}  {one.unit} ({better})"
        )
        lines.append(f"{'':<25}{_spread(one.ours):>12}{_spread(one.limit):>12}")
    return "\n".join(lines)


def _written(number: float) -> str:
    return f"{number:,.2f}" if number >= 0.1 else f"{number:.4f}"


def _spread(runs: Sequence[float]) -> str:
    return (
        f"{min(runs):,.0f}..{max(runs):,.0f}"
        if max(runs) >= 100
        else f"{min(runs):.2f}..{max(runs):.2f}"
    )
