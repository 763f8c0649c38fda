"""How fast a due step becomes a mail that the SMTP server accepted, next to a hand-written minimum.

Both send the same mail to the same sink in the same run, `--repeats` times each in
turn: `end_to_end` (mails a second in a burst), `idle_p50_ms` (event to accepted, nothing else
to do) and `peak_memory_mb` (of the sending process).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.parts.report import Figure, arguments, print_figures  # noqa: E402 (path first)
from benchmarks.parts.sink import running_sink  # noqa: E402


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--mails", type=int, default=5_000, help="mails in the burst")
    chosen = parser.parse_args()
    ours: list[dict[str, float]] = []
    limit: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, running_sink() as ports:
        sample = Path(folder) / "sample.json"
        sample.write_text(json.dumps(run("engine", "sample")), "utf-8")
        words = [*map(str, ports), str(chosen.mails)]
        for _ in range(chosen.repeats):
            limit.append(run("bare", *words, str(sample)))
            ours.append(run("engine", *words))
    print_figures(compared(ours, limit), as_json=chosen.json)


def run(part: str, *words: str) -> dict[str, Any]:
    """What a process of its own measured."""
    command = [sys.executable, "-m", f"benchmarks.parts.{part}", *words]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def compared(ours: list[dict[str, float]], limit: list[dict[str, float]]) -> list[Figure]:
    def figure(name: str, key: str, unit: str, *, more_is_better: bool) -> Figure:
        runs = [one[key] for one in ours], [one[key] for one in limit]
        return Figure(name, unit, *runs, more_is_better=more_is_better)

    return [
        figure("end_to_end", "mails_per_second", "mails/s", more_is_better=True),
        figure("idle_p50_ms", "idle_p50_ms", "ms", more_is_better=False),
        figure("peak_memory_mb", "peak_memory_mb", "MB", more_is_better=False),
    ]


if __name__ == "__main__":
    main()
