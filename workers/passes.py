"""Evaluations for everybody: a new or changed segment, or drift whose parameters were learned anew.

They go in chunks, each its own short transaction, so that neither ingest nor sending waits for
them; a stopped pass goes on where it was.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast

from sqlalchemy import Connection

from rekindle.clock import seconds_running
from rekindle.services import Services
from rekindle.workspace.library import Library
from segments.conditions.base import ConditionBase
from segments.conditions.drift import Drift
from segments.conditions.rfm import Rfm
from segments.days import day_of, published_at
from store.drift import count_customers
from store.leases import release_lease
from store.memberships import forget_segment, load_member_ids
from store.passes import (
    Pass,
    begin_pass,
    forget_pass,
    load_passes,
    move_passes,
    next_customers,
)
from store.pending import mark_evaluated
from store.records import Because, CustomerId
from workers.counts import Counts
from workers.drift import are_priors_due, priors_at, refresh_drift
from workers.drift_learning import Learned, keep_learned, learn
from workers.evaluate import evaluate_segments
from workers.failing import is_tried_again, recover_segments
from workers.lease import LEASE, take_turn, worker_name
from workers.quintiles import are_quintiles_due, find_quintiles, publish_quintiles

Report = Callable[[int, int], None]
AIM = timedelta(milliseconds=25)  # for one transaction, well below the 50 ms that it may take
MOMENT = timedelta(microseconds=1)
FIRST_CHUNK, SMALLEST_CHUNK, LARGEST_CHUNK = 500, 500, 5_000  # customers in one transaction
LARGEST_STEP = 2  # times as many at most, or half: the first chunks also prepare their statements
MOST_APPLIES = 10  # followed in one go; the next sweep goes on
DRIFT = "~drift"  # the pass that rebuilds everybody's drift; no segment can be called so


def unheard(_done: int, _of: int) -> None:
    """A report to nobody."""


@dataclass(frozen=True)
class Due:
    """Why anybody must be looked at: what was applied, or figures of everybody that are old."""

    passes: bool = False
    priors: bool = False
    quintiles: bool = False

    @property
    def is_any(self) -> bool:
        return self.passes or self.priors or self.quintiles


def evaluate_everybody(services: Services, now: datetime, report: Report = unheard) -> Counts:
    """Bring every segment to its newest definition, and drift to its newest parameters.

    `report` is told how many customers are done, and of how many.
    """
    total = Counts()
    for _ in range(MOST_APPLIES):
        due = find_due(services, now)
        if not due.is_any:
            return total
        with _turn(services) as is_ours:
            if not is_ours:
                return total
            total += _do(services, due, now, report)
        if not _is_overtaken(services):
            return total
    return total


def _do(services: Services, due: Due, now: datetime, report: Report) -> Counts:
    with services.store.read() as connection:
        library = services.library(connection)
        learned = _learn(connection, services, library, now) if due.priors else {}
        found = find_quintiles(connection, library.lexicon, now) if due.quintiles else None
    while due.passes and _retire_some(services, now):
        pass
    with services.store.begin() as tx:
        passes = load_passes(tx, lock="update")
        if services.library(tx) is library:  # else what was learned is of other rules: once more
            _begin_passes(tx, services, library, passes, learned, now)
            if found is not None:
                publish_quintiles(tx, found, now)
                _look_again(tx, library.asking(_asks_fifths), now)
    return _run_passes(services, report)


def _is_overtaken(services: Services) -> bool:
    """Whether an apply came while the passes of the version before it began or ran."""
    with services.store.read() as connection:
        library = services.library(connection)
        return bool(library.versions) and bool(_outdated(library, load_passes(connection)))


def find_due(services: Services, now: datetime) -> Due:
    """What there is to do for everybody at `now`; it only reads."""
    with services.store.read() as connection:
        library = services.library(connection)
        if not library.versions:
            return Due()
        passes = load_passes(connection)
        return Due(
            bool(_outdated(library, passes))
            or bool(_retired(library, passes))
            or any(_is_wanted(one, now) for one in passes.values())
            or _are_risks_due(services, library, passes, now),
            _reads(services, library, "drift") and are_priors_due(connection, library.lexicon, now),
            are_quintiles_due(connection, library, now),
        )


def _learn(
    connection: Connection, services: Services, library: Library, now: datetime
) -> Mapping[str, Learned]:
    corrects = _reads(services, library, "risk")
    return learn(connection, library.lexicon, now, corrects=corrects)


@contextmanager
def _turn(services: Services) -> Iterator[bool]:
    """Whether it is this process's turn; in a rehearsal there is nobody to take turns with."""
    if services.is_rehearsal:
        yield True
        return
    with services.store.begin() as tx:
        is_ours = take_turn(tx, "passes", services.clock.wall(), LEASE)
    try:
        yield is_ours
    finally:
        if is_ours:
            with services.store.begin() as tx:
                release_lease(tx, "passes", worker_name())


def _begin_passes(
    tx: Connection,
    services: Services,
    library: Library,
    passes: Mapping[str, Pass],
    learned: Mapping[str, Learned],
    now: datetime,
) -> None:
    """Say which passes there are to run; what runs already and is still wanted goes on."""
    for one in passes.values():
        if one.failed_at and _is_wanted(one, now):
            cause = "late" if one.is_finished else one.cause
            begin_pass(tx, one.segment, one.definition_id, cause, now)
    for segment, definition_id in _outdated(library, passes).items():
        newly: Because = "definition" if segment in passes else "first"
        begin_pass(tx, segment, definition_id, newly, now)
    is_news = bool(keep_learned(tx, learned, now))
    if is_news or _are_risks_due(services, library, passes, now):
        begin_pass(tx, DRIFT, _figures_of(library, now), "refit", now)
    if is_news:
        _look_again(tx, library.reading_drift, now)
    elif _are_risks_due(services, library, passes, now):
        _look_again(tx, library.asking(_asks_risk), now, cause="time")


def _figures_of(library: Library, now: datetime) -> int:
    """The day whose daily figures are in force, as a number."""
    zone = library.lexicon.zone
    return day_of(published_at(now, zone), zone).toordinal()


def _reads(services: Services, library: Library, figure: Literal["drift", "risk"]) -> bool:
    """Whether anybody reads it: of a rehearsal, which has no dashboard, only rules and mails."""
    return not services.is_rehearsal or figure in library.words


def _are_risks_due(
    services: Services, library: Library, passes: Mapping[str, Pass], now: datetime
) -> bool:
    """Whether everybody's risk is that of an earlier day."""
    figures = _figures_of(library, now)
    return _reads(services, library, "risk") and (
        DRIFT not in passes or passes[DRIFT].definition_id != figures
    )


def _asks_fifths(condition: ConditionBase) -> bool:
    return isinstance(condition, Rfm)


def _asks_risk(condition: ConditionBase) -> bool:
    return isinstance(condition, Drift) and condition.risk is not None


def _look_again(
    tx: Connection, segments: Sequence[str], now: datetime, *, cause: Because = "refit"
) -> None:
    """At everybody, in the segments that no pass is looking at anyway."""
    passes = load_passes(tx)
    for segment in segments:
        if segment in passes and passes[segment].is_finished:
            begin_pass(tx, segment, passes[segment].definition_id, cause, now)


def _outdated(library: Library, passes: Mapping[str, Pass]) -> dict[str, int]:
    """Segments whose last pass was of another definition, theirs or one they refer to."""
    return {
        name: newest
        for name, newest in library.segment_versions.items()
        if name not in passes or passes[name].definition_id != newest
    }


def _retired(library: Library, passes: Mapping[str, Pass]) -> list[str]:
    return [name for name in passes if name != DRIFT and name not in library.segments]


def _retire_some(services: Services, now: datetime) -> bool:
    """Some leave a segment that is no more, in the end all; whether anybody is left."""
    with services.store.begin() as tx:
        passes, library = load_passes(tx, lock="update"), services.library(tx)
        retired = _retired(library, passes)
        if not retired:
            return False
        segment = retired[0]
        if ids := load_member_ids(tx, segment, FIRST_CHUNK):
            evaluate_segments(tx, library, {segment: "definition"}, ids, now)
        else:
            forget_segment(tx, segment)
            forget_pass(tx, segment)
            recover_segments(tx, [segment], now)
    return True


def _is_wanted(one: Pass, now: datetime) -> bool:
    """Whether a pass has yet to reach somebody, or a segment that failed is to be tried again."""
    return is_tried_again(one, now) if one.failed_at else not one.is_finished


def _run_passes(services: Services, report: Report) -> Counts:
    """All that run go together, chunk by chunk, so that each customer is looked at once."""
    with services.store.read() as connection:
        running = [one for one in load_passes(connection).values() if not one.is_finished]
        of = count_customers(connection)
    total, size = Counts(), FIRST_CHUNK
    cursor = min((one.cursor for one in running if one.failed_at is None), default=None)
    while cursor is not None:
        began = seconds_running()
        cursor, counts = _run_chunk(services, cursor, size)
        size = next_size(size, timedelta(seconds=seconds_running() - began))
        total += counts
        report(of if cursor is None else min(cursor, of), of)
    return total


def next_size(size: int, took: timedelta) -> int:
    """So many customers that nobody waits long for the one writer that there may be."""
    share = min(max(AIM / max(took, MOMENT), 1 / LARGEST_STEP), LARGEST_STEP)
    return min(max(round(size * share), SMALLEST_CHUNK), LARGEST_CHUNK)


def _run_chunk(services: Services, cursor: int, size: int) -> tuple[int | None, Counts]:
    """The next chunk: where the passes stand afterwards (None: finished), and what changed.

    A pass whose segment was applied anew stays where it is: it is begun again by the new rule, and
    never goes on under the number of the old one.
    """
    with services.store.begin() as tx:
        passes = load_passes(tx, lock="update")
        library, now = services.library(tx), services.clock.now()
        overtaken = _outdated(library, passes)
        running = [
            one
            for one in passes.values()
            if not (one.is_finished or one.failed_at or one.segment in overtaken)
        ]
        if not running:
            return None, Counts()
        ids, names = next_customers(tx, cursor, size), [one.segment for one in running]
        counts = _look_at(tx, library, {one.segment: one for one in running}, ids, now)
        is_last = len(ids) < size
        moved = move_passes(tx, names, ids[-1] if ids else cursor, now if is_last else None)
        if is_last:
            recover_segments(tx, moved, now)
    return (None if is_last else ids[-1]), counts


def _look_at(
    tx: Connection,
    library: Library,
    running: Mapping[str, Pass],
    ids: Sequence[CustomerId],
    now: datetime,
) -> Counts:
    """Drift first, since segments read it."""
    if not ids:
        return Counts()
    if DRIFT in running:
        refresh_drift(tx, ids, now, library.lexicon, priors_at(tx, now))
    causes: dict[str, Because | None] = {
        name: one.cause for name, one in running.items() if name in library.segments
    }
    chunk = cast(Collection[CustomerId], range(ids[0], ids[-1] + 1))
    counts = evaluate_segments(tx, library, causes, chunk, now) if causes else Counts()
    if running.keys() >= {DRIFT, *library.segments}:
        mark_evaluated(tx, ids)
    return counts
