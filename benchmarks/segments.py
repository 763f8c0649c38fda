"""How fast segments are evaluated, next to SQL written by hand for the one rule.

Two purchases in 90 days, no visit in 21 days and no open ticket, over a skewed year of events
(`--scale 1`: 200,000 customers and 10 million events; a tenth of that unless told otherwise).
Ours is what workers run: the compiled statement, chunk by chunk, which also says when to look at
each customer again. Everything is asked about in the same database, and must find the same people.

  full                 everybody; limit: the best of three ways over our tables
  full_narrow          the same; limit: the best of them over a narrow table made for this rule
  incremental          1,000 customers who changed; limit: probes by hand for these
  incremental_narrow   the same; limit: probes over the narrow table
  incremental_vs_full  ours both: how many times dearer everybody is than the 1,000
  growth_10x           200 who changed in the whole base; limit: ours, in a tenth of the base
  nested_full          everybody, where the category of any product of an order is asked; limit: the
                       same people, where the order bears its category itself
  nested_incremental   the same two for the 1,000 who changed
  idle_tick_ms         a look with nothing changed and nothing due; limit: one bare query
  ten_segments         ten rules over those events, with other counts, shorter windows and other
                       times of quiet, all at once; limit: ours, the rule alone
  event_to_member_ms   from an accepted event to membership, with 100,000 customers, while everybody
                       is evaluated for another segment: the worst; limit: a second
  full_stored          everybody, with memberships and events written; limit: as `full`
  incremental_stored   the 1,000 a day later, the difference written; limit: as `incremental`
  drift_million        the drift crossings of five times as many customers (`--scale 1`: a million),
                       computed and stored in one statement; limit: that statement by hand

Times are of this process where the database is inside it. Everything is asked on the connection on
which workers evaluate.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from sqlalchemy import Connection  # noqa: E402 (path first)

from benchmarks.parts import by_hand  # noqa: E402
from benchmarks.parts.freshness import measure_freshness  # noqa: E402
from benchmarks.parts.history import NOW, count_up, make_history, store_history  # noqa: E402
from benchmarks.parts.report import Figure, arguments, clock_of, print_figures  # noqa: E402
from benchmarks.parts.scoring import measure_scoring  # noqa: E402
from rekindle.migrating import upgrade  # noqa: E402
from rekindle.workspace.library import Library  # noqa: E402
from segments.definition import Segment  # noqa: E402
from store.session import Store  # noqa: E402
from workers.asking import Refused, evaluate_together  # noqa: E402
from workers.evaluate import evaluate_segments  # noqa: E402
from workers.passes import LARGEST_CHUNK  # noqa: E402
from workers.schedule import look  # noqa: E402

CUSTOMERS, EVENTS, SCORED = 200_000, 10_000_000, 1_000_000
CHANGED, CHANGED_IN_GROWTH = 1_000, 200
IDLE_LOOKS = 200
# purchases, in so many days, and days without a visit: the rule itself first
TEN = ((2, 90, 21), (3, 90, 21), (2, 60, 21), (2, 90, 14), (2, 30, 14),
       (4, 90, 30), (3, 60, 21), (2, 45, 30), (3, 60, 7), (2, 45, 10))  # fmt: skip


def rule(
    at_least: int, days: int, quiet_days: int, where: dict[str, Any] | None = None
) -> dict[str, Any]:
    visits = ["page.viewed", "app.opened"]
    often = {"at_least": at_least, "within": f"{days} days", "where": where or {}}
    return {
        "all": [
            {"event": "order.completed", **often},
            {"not": {"event": visits, "within": f"{quiet_days} days"}},
            {
                "not": {
                    "event": "ticket.opened",
                    "without_later": ["ticket.closed"],
                    "same": "ticket_id",
                }
            },
        ]
    }


LIBRARY = Library(
    segments={
        f"rule_{number}": Segment.model_validate({"segment": f"rule_{number}", "match": rule(*one)})
        for number, one in enumerate(TEN)
    }
    | {
        name: Segment.model_validate({"segment": name, "match": rule(*TEN[0], {property_: "c1"})})
        for name, property_ in (("flat", "category"), ("nested", "products[].category"))
    }
)
ONE = ["rule_0"]


class Base:
    """A database with a history in it, and what is asked of it."""

    def __init__(self, store: Store, scale: float) -> None:
        self.store = store
        self.history = make_history(round(CUSTOMERS * scale), round(EVENTS * scale))
        upgrade(store)
        store_history(store, self.history)
        count_up(store)
        self.clock = clock_of(store)

    def chunks(self) -> Iterator[range]:
        for first in range(1, self.history.customers + 1, LARGEST_CHUNK):
            yield range(first, min(first + LARGEST_CHUNK, self.history.customers + 1))

    def everybody(self, connection: Connection, segments: Sequence[str]) -> list[set[int]]:
        """Who is in each segment, asked chunk by chunk as a pass does."""
        found: list[set[int]] = [set() for _ in segments]
        for chunk in self.chunks():
            for members, more in zip(found, ask(connection, segments, chunk), strict=True):
                members |= more
        return found

    def took(self, work: Callable[[], Any]) -> float:
        """Milliseconds; of this process where the database is inside it."""
        began = self.clock()
        work()
        return (self.clock() - began) * 1000


def ask(connection: Connection, segments: Sequence[str], ids: Sequence[int]) -> list[set[int]]:
    answers = evaluate_together(connection, LIBRARY, segments, ids, NOW)  # type: ignore[arg-type]  # ids are numbers here
    found = []
    for segment in segments:
        answer = answers[segment]
        assert not isinstance(answer, Refused), answer
        found.append({int(one.customer_id) for one in answer if one.holds})
    return found


@contextmanager
def opened(database: str | None, name: str) -> Iterator[Store]:
    """A fresh SQLite file, or the (empty) database that was named."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(database or f"sqlite:///{folder}/{name}.db")
        yield store
        store.close()


def measure(base: Base, repeats: int) -> dict[str, list[float]]:
    with base.store.begin() as connection:
        return _read_only(base, connection, repeats) | {"idle": _idle(base, connection)}


def _read_only(base: Base, connection: Connection, repeats: int) -> dict[str, list[float]]:
    ids = base.history.recently_active(CHANGED)
    ours, narrow = by_hand.words_of(connection.dialect.name)
    work: dict[str, Callable[[], Any]] = {
        "full": lambda: base.everybody(connection, ONE)[0],
        "ten": lambda: base.everybody(connection, [f"rule_{n}" for n in range(len(TEN))]),
        "flat_full": lambda: base.everybody(connection, ["flat"])[0],
        "nested_full": lambda: base.everybody(connection, ["nested"])[0],
        "flat_incremental": lambda: ask(connection, ["flat"], ids)[0],
        "nested_incremental": lambda: ask(connection, ["nested"], ids)[0],
        "incremental": lambda: ask(connection, ONE, ids)[0],
        "by_hand_incremental": by_hand.some(connection, ours, ids),
        "narrow_incremental": by_hand.some(connection, narrow, ids),
        "growing": lambda: ask(connection, ONE, ids[:CHANGED_IN_GROWTH]),
    }
    for side, words in (("by_hand", ours), ("narrow", narrow)):
        ways = by_hand.everybody(connection, words)
        work[f"{side}_full"] = min(ways.values(), key=base.took)
    _check_equal(work)
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, one in work.items():
            one()  # so that each finds in memory what it reads itself, not what another one read
            taken[name].append(base.took(one))
    return taken


def _check_equal(work: dict[str, Callable[[], Any]]) -> None:
    members, some = work["full"](), work["incremental"]()
    for side in ("by_hand", "narrow"):
        assert work[f"{side}_full"]() == members, f"{side}: other members"
        assert work[f"{side}_incremental"]() == some, f"{side}: others of the changed"
    assert work["ten"]()[0] == members, "together: other members"
    for extent in ("full", "incremental"):
        flat, nested = work[f"flat_{extent}"](), work[f"nested_{extent}"]()
        assert flat == nested, f"nested {extent}: other members"
    print(
        f"{len(members):,} members, the same for all; {len(some):,} of the changed", file=sys.stderr
    )


def _idle(base: Base, connection: Connection) -> list[float]:
    look(connection, NOW)
    looks = [base.took(lambda: look(connection, NOW)) for _ in range(IDLE_LOOKS)]
    bare = "SELECT 1 FROM memberships WHERE next_check_at <= 0 LIMIT 1"
    bares = [base.took(lambda: connection.exec_driver_sql(bare).all()) for _ in range(IDLE_LOOKS)]
    return [sum(looks) / IDLE_LOOKS, sum(bares) / IDLE_LOOKS]


def measure_stored(base: Base) -> dict[str, list[float]]:
    """With everything written that entering and leaving write; only once, since it changes it."""
    ids = base.history.recently_active(CHANGED)

    def keep(chunk: Sequence[int], later: timedelta) -> None:
        with base.store.begin() as tx:
            evaluate_segments(tx, LIBRARY, dict.fromkeys(ONE), chunk, NOW + later)  # type: ignore[arg-type]  # ids are numbers here

    def keep_all() -> None:
        for chunk in base.chunks():
            keep(chunk, timedelta())

    full = base.took(keep_all)
    keep(ids, timedelta())  # so that no statement is new
    return {"full": [full], "incremental": [base.took(lambda: keep(ids, timedelta(days=1)))]}


def measure_drift(database: str | None, customers: int, repeats: int) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        url = database or f"sqlite:///{folder}/drift.db"
        scored = measure_scoring(url, customers, repeats)
    return Figure("drift_million", "s", *scored, more_is_better=False)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.1, help="1: 200,000 customers")
    parser.add_argument("--database", help="an empty PostgreSQL database (growth is left out)")
    chosen = parser.parse_args()
    small: dict[str, list[float]] = {}
    if chosen.database is None:
        with opened(None, "small") as store:
            small = measure(Base(store, chosen.scale / 10), chosen.repeats)
    with opened(chosen.database, "whole") as store:
        base = Base(store, chosen.scale)
        whole = measure(base, chosen.repeats)
        stored = measure_stored(base)
    found = figures(whole, small, stored)
    found.append(measure_drift(chosen.database, round(SCORED * chosen.scale), chosen.repeats))
    worst = max(measure_freshness())
    found.append(Figure("event_to_member_ms", "ms", [worst], [1000.0], more_is_better=False))
    print_figures(found, as_json=chosen.json)


def figures(
    whole: dict[str, list[float]], small: dict[str, list[float]], stored: dict[str, list[float]]
) -> list[Figure]:
    def figure(name: str, ours: list[float], limit: list[float], more: bool = False) -> Figure:
        return Figure(name, "ms", ours, limit, more_is_better=more)

    looks, bare = whole["idle"]
    found = [
        figure("full", whole["full"], whole["by_hand_full"]),
        figure("full_narrow", whole["full"], whole["narrow_full"]),
        figure("incremental", whole["incremental"], whole["by_hand_incremental"]),
        figure("incremental_narrow", whole["incremental"], whole["narrow_incremental"]),
        figure("incremental_vs_full", whole["full"], whole["incremental"], more=True),
        figure("nested_full", whole["nested_full"], whole["flat_full"]),
        figure("nested_incremental", whole["nested_incremental"], whole["flat_incremental"]),
        figure("idle_tick_ms", [looks], [bare]),
        figure("ten_segments", whole["ten"], whole["full"]),
        figure("full_stored", stored["full"], whole["by_hand_full"]),
        figure("incremental_stored", stored["incremental"], whole["by_hand_incremental"]),
    ]
    if small:
        found.append(figure("growth_10x", whole["growing"], small["growing"]))
    return found


if __name__ == "__main__":
    main()
