"""How fast events are taken over HTTP, each answer durable, next to a hand-written minimum.

Both are one process with one SQLite file, asked over kept connections by the same client in the
same run, `--repeats` times each in turn: `single_events_per_s` (one event a request, 16
connections) and `batch_events_per_s` (100 a request, 8 connections). Two requests in a hundred were
sent before. Ours is `rekindle web` on the benchmark's workspace, with its workers elsewhere.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.parts.load import DUPLICATES, KEY, measure, requests_of  # noqa: E402 (path first)
from benchmarks.parts.report import Figure, arguments, print_figures  # noqa: E402
from benchmarks.parts.sink import free_port, wait_until_open  # noqa: E402

KINDS = {"single_events_per_s": (1, 16), "batch_events_per_s": (100, 8)}  # events, connections
SERVERS = ("ours", "limit")


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000, help="in each run")
    chosen = parser.parse_args()
    runs: dict[tuple[str, str], list[float]] = {}
    for name, (events_each, connections) in KINDS.items():
        count = chosen.events // events_each
        requests = list(islice(requests_of(events_each), count))
        for _ in range(chosen.repeats):
            for server in SERVERS:
                rate = run(server, requests, connections, count * events_each) * events_each
                runs.setdefault((name, server), []).append(rate)
    figures = [
        Figure(name, "events/s", runs[name, "ours"], runs[name, "limit"], more_is_better=True)
        for name in KINDS
    ]
    print_figures(figures, as_json=chosen.json)


def run(server: str, requests: list[bytes], connections: int, events: int) -> float:
    """Requests a second that a fresh server answered; every event was stored once."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with running(server, folder) as port:
            rate = measure(port, requests, connections)
        each = events // len(requests)
        wanted = (len(requests) - (len(requests) - 1) // DUPLICATES) * each
        found = count_events(folder, server)
        if found != wanted:
            sys.exit(f"{server} stored {found} events and not {wanted}")
    return rate


@contextmanager
def running(server: str, folder: Path) -> Iterator[int]:
    """A server of its own process, until the end of the block: its port."""
    port = free_port()
    if server == "ours":
        workspace = folder / "workspace"
        shutil.copytree(Path(__file__).parent / "workspace", workspace)
        rekindle(workspace, "apply")
        rekindle(workspace, "keys", "add", "--write-key", KEY)
        command = ["rekindle", "web", "--port", str(port), "--workspace", str(workspace)]
    else:
        command = ["benchmarks.parts.collecting", str(port), str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_open(port)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def rekindle(workspace: Path, *words: str) -> None:
    command = [sys.executable, "-m", "rekindle", *words, "--workspace", str(workspace)]
    subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True)


def environment() -> dict[str, str]:
    own = {"REKINDLE_SECRET_KEY": "a key for benchmarks, long enough", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **own, "REKINDLE_PROVIDER": "outbox"}


def count_events(folder: Path, server: str) -> int:
    file = folder / ("workspace/.rekindle/rekindle.db" if server == "ours" else "limit.db")
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute("SELECT count(*) FROM events").fetchone()[0])


if __name__ == "__main__":
    main()
