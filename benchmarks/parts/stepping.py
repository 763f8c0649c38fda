"""Ours: enrollments of the benchmark's journey, put into a database in bulk and advanced.

Run as `python -m benchmarks.parts.stepping WORKSPACE DATABASE INSTANT` it advances what is due at
that instant once it is told to on its standard input, and prints how many steps and between which
moments.
"""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text, update

from benchmarks.parts.report import clock_of
from rekindle.cli.first_apply import apply_once
from rekindle.clock import FixedClock
from rekindle.garbage import spare_what_stays
from rekindle.migrating import upgrade
from rekindle.services import Services, open_services
from store.records import DefinitionId
from store.session import Store
from store.steps import intern_steps
from store.tables import metadata, microseconds, positions
from workers.advance import advance_due
from workers.schedule import look

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
FAR_OFF = timedelta(days=365)
WORKSPACE = Path(__file__).parents[1] / "workspace"
JOURNEY = "long_wait"
ENVIRONMENT = {
    "REKINDLE_PROVIDER": "outbox",
    "REKINDLE_SECRET_KEY": "a key for benchmarks, long enough",
}
NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)",
    "postgresql": "WITH numbers(n) AS (SELECT generate_series(1, :count))",
}
# scattered over the day, as people are, so that those due together do not lie together
WAITING = """
    INSERT INTO positions (enrollment_id, step_id, visit, arrived_at, due_at)
    {numbers} SELECT n, :step, 1, :arrived_at,
        CASE WHEN n % :every = 0 THEN :due_at + (n * 7919 % 1000) * 1000 ELSE :far_off END
    FROM numbers
"""
ENROLLED = """
    INSERT INTO enrollments
        (id, journey, version_id, customer_id, key, occurrence, cause, is_held_out, started_at)
    {numbers} SELECT n, :journey, :version_id, n, '', 'start', 'event', {no}, :arrived_at
    FROM numbers
"""
CUSTOMERS = """
    INSERT INTO customers (id, external_id, known_at)
    {numbers} SELECT n, 'c' || n, 0 FROM numbers
"""
NAMES = """
    INSERT INTO traits (customer_id, name, value, occurred_at, known_at)
    {numbers} SELECT n, 'name', '"Ana"', 0, 0 FROM numbers
"""


@contextmanager
def opened(workspace: Path, database: str, at: datetime) -> Iterator[Services]:
    """The engine over that database, migrated if it is new, as a worker has it."""
    if not workspace.exists():
        shutil.copytree(WORKSPACE, workspace)
        store = Store(database)
        upgrade(store)
        store.close()
    services = open_services(workspace, FixedClock(at), database=database, environment=ENVIRONMENT)
    apply_once(services)
    services.library()
    spare_what_stays()
    yield services
    services.close()


def enroll(services: Services, waiting: int, due: int = 0) -> None:
    """So many customers, each in the journey since Monday and waiting at its first step: `due` of
    them for a day, the others for a year.
    """
    library = services.library()
    version_id = library.versions["journey", JOURNEY]
    graph = library.graph(DefinitionId(version_id))
    assert graph is not None
    with services.store.begin() as tx:
        for table in ("decisions", "positions", "enrollments", "traits", "customers"):
            tx.execute(metadata.tables[table].delete())
        values = {
            "count": waiting,
            "every": waiting // due if due else waiting + 1,
            "journey": JOURNEY,
            "version_id": version_id,
            "step": intern_steps(tx, [graph.first])[graph.first],
            "arrived_at": microseconds(MONDAY),
            "due_at": microseconds(MONDAY + DAY - timedelta(seconds=1)),
            "far_off": microseconds(MONDAY + FAR_OFF),
        }
        name = tx.dialect.name
        cast = {"no": "0" if name == "sqlite" else "false", "numbers": NUMBERS[name]}
        for statement in (CUSTOMERS, NAMES, ENROLLED, WAITING):
            used = text(statement.format(**cast))
            tx.execute(used, {key: values[key] for key in used._bindparams})
    with services.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
        plain.execute(text("ANALYZE"))


def advance_all(services: Services, now: datetime) -> int:
    """Advance what is due until nothing is; how many steps that was."""
    steps = 0
    services.clock = FixedClock(now)
    while (counts := advance_due(services)).looked_at:
        steps += counts.advanced
    return steps


def measure_steps(services: Services, waiting: int, due: int) -> float:
    """Steps a second over two days: a wait and a split, then a wait and a branch on a trait."""
    enroll(services, waiting, due)
    clock, taken, steps = clock_of(services.store), 0.0, 0
    for days in (1, 2):
        began = clock()
        steps += advance_all(services, MONDAY + days * DAY)
        taken += clock() - began
    assert steps == 4 * due, (steps, due)  # everybody took each step once
    return steps / taken


def measure_one(services: Services, waiting: int, probes: int = 40) -> float:
    """Milliseconds to find and advance the only one that is due among so many that wait."""
    enroll(services, waiting)
    now, best = MONDAY + DAY, list[float]()
    services.clock = FixedClock(now)
    for number in range(1, probes + 1):
        with services.store.begin() as tx:
            due = update(positions).where(positions.c.enrollment_id == number * (waiting // probes))
            tx.execute(due.values(due_at=now))
        began = time.perf_counter()
        with services.store.read() as connection:
            assert look(connection, now).positions
        assert advance_due(services).looked_at == 1
        best.append((time.perf_counter() - began) * 1000)
    return sorted(best)[len(best) // 2]


def main() -> None:
    workspace, database, instant = sys.argv[1:4]
    now = datetime.fromisoformat(instant)
    with opened(Path(workspace), database, now) as services:
        services.library()
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.monotonic()
        steps = advance_all(services, now)
        print(json.dumps({"steps": steps, "began": began, "ended": time.monotonic()}), flush=True)


if __name__ == "__main__":
    main()
