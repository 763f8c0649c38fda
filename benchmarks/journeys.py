"""How fast enrollments advance, next to the same steps taken by hand and by an ORM.

All in the same run, `--repeats` times each in turn. With SQLite, which works inside this process,
a second is one of processor time. `advance_sqlite` and `advance_postgresql`: steps a second next to
hand-written claim-and-advance in batches of 1,000. `advance_vs_orm`: ours on SQLite next to an ORM
job that commits one row after the other. `two_workers`: two processes on PostgreSQL next to one.
`broker_messages_per_step`: next to one message for each batch of due enrollments.
`one_due_among_many`: milliseconds to find and advance the only one due among `--many` waiting, next
to the same among a thousand.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from sqlalchemy.engine import URL  # noqa: E402 (path first)

from benchmarks.parts import claiming, stepping  # noqa: E402
from benchmarks.parts.report import Figure, arguments, print_figures  # noqa: E402
from rekindle.clock import FixedClock  # noqa: E402
from rekindle.services import NoWake, Services  # noqa: E402
from tests.servers import fresh_postgres_database, running_postgres  # noqa: E402
from workers.advance import advance_due  # noqa: E402
from workers.schedule import BATCH, look, pass_on  # noqa: E402

FEW = 1_000
ORM_ROWS = 400
UNITS = {"broker_messages_per_step": "messages/step", "one_due_among_many": "ms"}
Runs = dict[tuple[str, str], list[float]]


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--due", type=int, default=10_000, help="enrollments due in each run")
    parser.add_argument("--waiting", type=int, default=100_000, help="among so many that wait")
    parser.add_argument("--many", type=int, default=1_000_000, help="waiting, only one of them due")
    chosen = parser.parse_args()
    runs: Runs = defaultdict(list)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with running_postgres(folder) as server:
            for _ in range(chosen.repeats):
                on_sqlite(folder, chosen, runs)
                with fresh_postgres_database(server, f"rekindle_bench_{os.getpid()}") as url:
                    on_postgresql(folder, url, chosen, runs)
        among_many(folder, chosen, runs)
    figures = [_figure(name, runs) for name, side in runs if side == "ours"]
    print_figures(figures, as_json=chosen.json)


def _figure(name: str, runs: Runs) -> Figure:
    unit = UNITS.get(name, "steps/s")
    return Figure(
        name, unit, runs[name, "ours"], runs[name, "limit"], more_is_better=unit == "steps/s"
    )


def on_sqlite(folder: Path, chosen: argparse.Namespace, runs: Runs) -> None:
    with opened(folder) as services:
        ours = stepping.measure_steps(services, chosen.waiting, chosen.due)
        per_step, least = count_messages(services, chosen.due)
    for name in ("advance_sqlite", "advance_vs_orm"):
        runs[name, "ours"].append(ours)
    by_hand = claiming.measure_sqlite(folder, chosen.waiting, chosen.due)
    runs["advance_sqlite", "limit"].append(by_hand)
    runs["advance_vs_orm", "limit"].append(claiming.measure_orm(folder, ORM_ROWS * 10, ORM_ROWS))
    runs["broker_messages_per_step", "ours"].append(per_step)
    runs["broker_messages_per_step", "limit"].append(least)


@contextmanager
def opened(folder: Path) -> Iterator[Services]:
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        place = Path(temporary)
        url = f"sqlite:///{place / 'rekindle.db'}"
        with stepping.opened(place / "workspace", url, stepping.MONDAY) as services:
            yield services


class Counting(NoWake):
    """Does at once what a broker would carry, and counts the messages that it would be."""

    def __init__(self, services: Services) -> None:
        self.services, self.messages, self.steps = services, 0, 0

    def changed(self) -> None:
        self.messages += 1

    def advance(self, ids: Sequence[int]) -> None:
        self.messages += 1
        self.steps += advance_due(self.services, list(ids)).advanced


def count_messages(services: Services, due_rows: int) -> tuple[float, float]:
    """Messages a step when the sweep passes everything on; and one for each batch of steps."""
    stepping.enroll(services, due_rows, due_rows)
    services.clock = FixedClock(stepping.MONDAY + stepping.DAY)
    counting = services.wake = Counting(services)
    now = services.clock.now()
    with services.store.read() as connection:
        due = look(connection, now)
    pass_on(services, now, due)
    return counting.messages / counting.steps, (due_rows / BATCH) / counting.steps


def on_postgresql(folder: Path, url: URL, chosen: argparse.Namespace, runs: Runs) -> None:
    written = url.render_as_string(hide_password=False)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        workspace = Path(temporary) / "workspace"
        with stepping.opened(workspace, written, stepping.MONDAY) as services:
            ours = stepping.measure_steps(services, chosen.waiting, chosen.due)
            runs["advance_postgresql", "ours"].append(ours)
            for workers, side in ((1, "limit"), (2, "ours")):
                stepping.enroll(services, chosen.waiting, chosen.due)
                runs["two_workers", side].append(together(workspace, written, workers))
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    limit = claiming.measure_postgresql(plain, chosen.waiting, chosen.due)
    runs["advance_postgresql", "limit"].append(limit)


def together(workspace: Path, url: str, workers: int) -> float:
    """Steps a second of so many processes that begin at once, from the first to the last."""
    instant = (stepping.MONDAY + stepping.DAY).isoformat()
    command = [sys.executable, "-m", "benchmarks.parts.stepping", str(workspace), url, instant]
    running = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(workers)
    ]
    for one in running:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [json.loads(one.communicate()[0]) for one in running]
    seconds = max(one["ended"] for one in said) - min(one["began"] for one in said)
    return float(sum(one["steps"] for one in said) / seconds)


def among_many(folder: Path, chosen: argparse.Namespace, runs: Runs) -> None:
    for waiting, side in ((FEW, "limit"), (chosen.many, "ours")):
        with opened(folder) as services:
            runs["one_due_among_many", side].append(stepping.measure_one(services, waiting))


if __name__ == "__main__":
    main()
