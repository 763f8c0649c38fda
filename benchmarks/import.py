"""How fast files come in, next to a hand-written minimum.

The same rows in the same run, `--repeats` times each in turn: ours is `rekindle import` without its
start; the limit reads the file with Python's own modules and writes the very rows that we keep with
one `executemany` a table in one commit, all indexes included. Both are timed by their process,
which other work on the machine slows less. `peak_memory_mb` is that of the process for the events
of a CSV file.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.parts.files import KINDS, write_file  # noqa: E402 (path first)
from benchmarks.parts.report import Figure, arguments, print_figures  # noqa: E402

SIDES = ("ours", "limit")


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000, help="in each file")
    chosen = parser.parse_args()
    rates: dict[tuple[str, str], list[float]] = {}
    peaks: dict[str, list[float]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = {kind: write_file(kind, folder, chosen.rows) for kind in KINDS}
        for _ in range(chosen.repeats):
            for kind, file in files.items():
                for side in SIDES:
                    seconds, peak = run(side, kind, file)
                    rates.setdefault((kind, side), []).append(chosen.rows / seconds)
                    if kind == "csv_events":
                        peaks[side].append(peak)
    figures = [
        Figure(kind, "rows/s", rates[kind, "ours"], rates[kind, "limit"], more_is_better=True)
        for kind in KINDS
    ]
    figures.append(
        Figure("peak_memory_mb", "MB", peaks["ours"], peaks["limit"], more_is_better=False)
    )
    print_figures(figures, as_json=chosen.json)


def run(side: str, kind: str, file: Path) -> tuple[float, float]:
    """Seconds and megabytes of a process of its own that imports into a new database."""
    command = [sys.executable, "-m", "benchmarks.parts.importing", side, kind, str(file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    found = json.loads(done.stdout)
    return found["seconds"], found["peak_mb"]


if __name__ == "__main__":
    main()
