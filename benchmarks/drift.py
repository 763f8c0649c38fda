"""How fast drift is scored and its parameters are learned, next to a hand-written minimum.

Each pair runs in turn in one process on the same rows, `--repeats` times: `score_million` (the
crossings into each state of `--customers` customers, computed and stored in one statement; its
limit is that statement written by hand) and `fit_priors` (one clock's parameters from `--sample`
customers; its limit is what one writes with numpy and scipy, its arrays made outside the clock).
Both must find the same.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.parts.report import Figure, arguments, in_turn, print_figures  # noqa: E402 (path first)
from benchmarks.parts.scoring import Learning, measure_scoring  # noqa: E402


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=1_000_000, help="CI: a tenth")
    parser.add_argument("--sample", type=int, default=6_000, help="customers to learn from")
    parser.add_argument("--database", help="the URL of an empty one; else SQLite in a file")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = chosen.database or f"sqlite:///{folder}/drift.sqlite3"
        scored = measure_scoring(url, chosen.customers, chosen.repeats)
    learning = Learning.of(chosen.sample)
    learning.check()
    learned = in_turn(learning.fit, learning.fit_by_hand, chosen.repeats)
    figures = [
        Figure("score_million", "s", *scored, more_is_better=False),
        Figure("fit_priors", "s", *learned, more_is_better=False),
    ]
    print_figures(figures, as_json=chosen.json)


if __name__ == "__main__":
    main()
