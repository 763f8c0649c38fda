"""Evaluations for everybody: a new or changed segment, or drift whose parameters were learned anew.

They go in chunks, each its own short transaction, so that neither ingest nor sending waits for
them; a stopped pass goes on where it was.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from rekindle.services import Services
from rekindle.workspace.library import Library
from segments.conditions.base import ConditionBase
from segments.conditions.drift import Drift
from segments.conditions.rfm import Rfm
from segments.days import day_of, published_at
from segments.definition import walk
from store.leases import release_lease
from store.memberships import load_member_ids
from store.passes import (
    Pass,
    PassCause,
    begin_pass,
    forget_pass,
    load_passes,
    move_pass,
    next_customers,
)
from store.pending import mark_evaluated
from store.records import CustomerId
from workers.counts import Counts
from workers.drift import are_priors_due, priors_at, publish_priors, refresh_drift
from workers.evaluate import evaluate_segment
from workers.lease import LEASE, take_turn, worker_name
from workers.quintiles import are_quintiles_due, find_quintiles, publish_quintiles

CHUNK = 1_000  # customers in one transaction
DRIFT = "~drift"  # the pass that rebuilds everybody's drift; no segment can be called so


def evaluate_everybody(services: Services, now: datetime) -> Counts:
    """Bring every segment to its newest definition, and drift to its newest parameters."""
    if not needs_passes(services, now):
        return Counts()
    library = services.library()
    if not _take_turn(services):
        return Counts()
    try:
        with services.store.read() as connection:
            found = None
            if are_quintiles_due(connection, library, now):
                found = find_quintiles(connection, library.lexicon, now)
        with services.store.begin() as tx:
            _begin_passes(tx, library, now)
            if found is not None:
                publish_quintiles(tx, found, now)
                _look_again(tx, _using(library, _asks_fifths), now)
        return _run_passes(services, library, now)
    finally:
        with services.store.begin() as tx:
            release_lease(tx, "passes", worker_name())


def needs_passes(services: Services, now: datetime) -> bool:
    """Whether anybody must be looked at because of what was applied or learned."""
    library = services.library()
    if not library.versions:
        return False
    with services.store.read() as connection:
        passes = load_passes(connection)
        return (
            bool(_outdated(library, passes))
            or bool(_retired(library, passes))
            or any(not one.is_finished for one in passes.values())
            or _are_risks_due(library, passes, now)
            or are_priors_due(connection, library.lexicon, now)
            or are_quintiles_due(connection, library, now)
        )


def _take_turn(services: Services) -> bool:
    wall = services.clock.wall()
    with services.store.begin() as tx:
        return take_turn(tx, "passes", wall, LEASE)


def _begin_passes(tx: Connection, library: Library, now: datetime) -> None:
    """Say which passes there are to run; what runs already and is still wanted goes on."""
    passes = load_passes(tx)
    for segment in _retired(library, passes):
        _retire(tx, library, segment, now)
    for segment, definition_id in _outdated(library, passes).items():
        cause: PassCause = "definition" if segment in passes else "first"
        begin_pass(tx, segment, definition_id, cause, now)
    learned = publish_priors(tx, library.lexicon, now)
    if learned or _are_risks_due(library, passes, now):
        begin_pass(tx, DRIFT, _figures_of(library, now), "refit", now)
    if learned:
        _look_again(tx, _using(library, _asks_drift), now)
    elif _are_risks_due(library, passes, now):
        _look_again(tx, _using(library, _asks_risk), now, cause="time")


def _figures_of(library: Library, now: datetime) -> int:
    """The day whose daily figures are in force, as a number."""
    zone = library.lexicon.zone
    return day_of(published_at(now, zone), zone).toordinal()


def _are_risks_due(library: Library, passes: Mapping[str, Pass], now: datetime) -> bool:
    """Whether everybody's risk is that of an earlier day."""
    return DRIFT not in passes or passes[DRIFT].definition_id != _figures_of(library, now)


def _asks_fifths(condition: ConditionBase) -> bool:
    return isinstance(condition, Rfm)


def _asks_drift(condition: ConditionBase) -> bool:
    return isinstance(condition, Drift)


def _asks_risk(condition: ConditionBase) -> bool:
    return isinstance(condition, Drift) and condition.risk is not None


def _look_again(
    tx: Connection, segments: Sequence[str], now: datetime, *, cause: PassCause = "refit"
) -> None:
    """At everybody, in the segments that no pass is looking at anyway."""
    passes = load_passes(tx)
    for segment in segments:
        if segment in passes and passes[segment].is_finished:
            begin_pass(tx, segment, passes[segment].definition_id, cause, now)


def _outdated(library: Library, passes: dict[str, Pass]) -> dict[str, int]:
    """Segments whose last pass was of another definition, theirs or one they refer to."""
    found: dict[str, int] = {}
    for name in library.segments:
        newest = max(library.versions[("segment", one)] for one in library.reaches(name))
        if name not in passes or passes[name].definition_id != newest:
            found[name] = newest
    return found


def _using(library: Library, is_meant: Callable[[ConditionBase], bool]) -> list[str]:
    """Segments that ask such a condition, or refer to one that does."""
    return [
        name
        for name in library.segments
        if any(
            is_meant(condition)
            for one in library.reaches(name)
            for _, condition in walk(library.segments[one].match)
        )
    ]


def _retired(library: Library, passes: dict[str, Pass]) -> list[str]:
    return [name for name in passes if name != DRIFT and name not in library.segments]


def _retire(tx: Connection, library: Library, segment: str, now: datetime) -> None:
    """Everybody leaves a segment that is no more."""
    ids = load_member_ids(tx, segment)
    evaluate_segment(tx, library, segment, ids, now, because="definition")
    forget_pass(tx, segment)


def _run_passes(services: Services, library: Library, now: datetime) -> Counts:
    """All that run go together, chunk by chunk, so that each customer is looked at once."""
    with services.store.read() as connection:
        running = [one for one in load_passes(connection).values() if not one.is_finished]
    total = Counts()
    cursor: int | None = min((one.cursor for one in running), default=None)
    while cursor is not None:
        cursor, counts = _run_chunk(services, library, running, cursor, now)
        total += counts
    return total


def _run_chunk(
    services: Services, library: Library, running: Sequence[Pass], cursor: int, now: datetime
) -> tuple[int | None, Counts]:
    """The next chunk: where the passes stand afterwards (None: finished), and what changed."""
    with services.store.begin() as tx:
        ids = next_customers(tx, cursor, CHUNK)
        counts = _look_at(tx, library, {one.segment: one for one in running}, ids, now)
        for one in running:
            move_pass(tx, one.segment, ids[-1] if ids else cursor, None if ids else now)
    return (ids[-1] if ids else None), counts


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
    total = Counts()
    for segment in sorted(running.keys() & library.segments.keys()):
        cause = running[segment].cause
        because = None if cause == "time" else cause
        total += evaluate_segment(tx, library, segment, ids, now, because=because)
    if running.keys() >= {DRIFT, *library.segments}:
        mark_evaluated(tx, ids)
    return total
