"""`segment` and `drift`, as scripts call them."""

import csv
import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rekindle.cli.app import main
from store.memberships import count_members
from tests.shop import Shop

DAY = timedelta(days=1)
FRESH = "segment: fresh\nmatch: {event: order.completed, within: 30 days}\n"


@pytest.fixture
def shop(tmp_path: Path, database_url: str, now) -> Any:
    made = Shop(tmp_path, database_url, now)
    made.write("segments/buyers.yaml", "segment: buyers\nmatch: {event: order.completed}\n")
    made.write(
        "segments/drifting.yaml",
        "segment: drifting\nmatch: {all: [{drift: drifting}, {segment: buyers}]}\n",
    )
    made.apply()
    for id_ in ("anna", "ben", "Zoë"):
        made.customer(id_)
    for week in range(30, 50):
        made.happened("order.completed", "anna", now - week * 7 * DAY)
        made.happened("order.completed", "Zoë", now - (week - 30) * 7 * DAY)
    yield made
    made.close()


@pytest.fixture
def say(shop: Shop, capsys, now):
    """Runs a command with --json; gives its exit code and document."""

    def run(*words: str) -> tuple[int, Any]:
        options = ["--workspace", str(shop.folder), "--database", shop.url]
        code = main([*options, "--now", now.isoformat(), "--json", *words])
        text = capsys.readouterr().out
        return code, json.loads(text) if text else None

    return run


def test_members_are_external_ids_sorted(say):
    code, found = say("segment", "buyers", "--members")

    assert code == 0
    assert found == {"segment": "buyers", "size": 2, "members": ["Zoë", "anna"]}


def test_without_a_name_all_segments_are_listed(say):
    _, found = say("segment", "--members")

    assert [(one["segment"], one["members"]) for one in found] == [
        ("buyers", ["Zoë", "anna"]),
        ("drifting", ["anna"]),
    ]


def test_asking_leaves_nothing_behind_and_equals_what_a_run_stores(shop: Shop, say):
    before = say("segment", "drifting", "--members")
    shop.run()

    assert say("segment", "drifting", "--members") == before
    with shop.services.store.read() as connection:
        assert count_members(connection) == {"buyers": 2, "drifting": 1}


def test_a_segment_shows_how_it_became_what_it_is(shop: Shop, say, now):
    shop.write("segments/fresh.yaml", FRESH)
    shop.apply()
    shop.run()
    shop.happens("order.completed", "ben")
    shop.run()
    shop.later(days=30)

    code, found = say("segment", "fresh", "--now", (now + 30 * DAY).isoformat())
    _, then = say("segment", "fresh", "--now", now.isoformat())

    assert (code, found["size"], found["members"]) == (0, 0, [])
    assert [(one["day"], one["size"]) for one in found["history"]] == [
        (f"{now + days * DAY:%Y-%m-%d}", size) for days, size in ((0, 2), (30, 0))
    ]
    assert [(one["customer"], one["change"], one["cause"]) for one in found["changes"]] == [
        ("Zoë", "left", "time"),
        ("ben", "left", "time"),
        ("ben", "entered", "event"),
        ("Zoë", "entered", "first"),
    ]
    assert (then["size"], len(then["changes"])) == (2, 2)


def test_the_past_is_told_the_same_whatever_is_learned_later(shop: Shop, say, now):
    asked = ("segment", "drifting", "--explain", "anna", "--now", (now - 240 * DAY).isoformat())
    before = say(*asked)

    for number in range(60):
        shop.happened("order.completed", "ben", now - number * 3 * DAY)
    shop.run()

    assert say(*asked) == before
    assert before[1]["conditions"][1]["facts"]["state"] is not None


def test_each_condition_is_explained_for_one_customer(say):
    _, found = say("segment", "drifting", "--explain", "Zoë")

    assert (found["customer"], found["holds"]) == ("Zoë", False)
    assert [(c["condition"], c["holds"], c["depth"]) for c in found["conditions"]] == [
        ({"all": "…"}, False, 0),
        ({"drift": "drifting"}, False, 1),
        ({"segment": "buyers"}, True, 1),
        ({"event": ["order.completed"]}, True, 2),
    ]
    assert found["conditions"][1]["facts"]["state"] == "active"
    assert found["conditions"][3]["facts"]["number"] == 20
    assert found["sentence"] == "drift is drifting and is in buyers"


def test_the_explanation_reads_as_text_too(shop: Shop, capsys, now):
    options = ["--workspace", str(shop.folder), "--database", shop.url, "--now", now.isoformat()]

    assert main([*options, "segment", "drifting", "--explain", "ben"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "ben is not in drifting (times are UTC):",
        "  no  all:",
        "  no    drift is drifting; has never been active; needed: drift is drifting",
        "  no    is in buyers",
        "  no      order.completed at least once; 0, none ever; 1 more needed",
    ]


def test_what_is_not_there_is_said(say):
    assert say("segment", "byers")[0] == 1
    assert say("segment", "buyers", "--explain", "nobody")[0] == 1
    assert say("drift", "nobody")[0] == 1


def test_drift_is_told_of_all_and_of_one(say):
    _, everybody = say("drift")
    _, (goal, _) = say("drift", "anna")

    assert {one["customer"]: one["state"] for one in everybody["customers"]} == {
        "Zoë": "active",
        "anna": "lost",
    }
    assert everybody["states"]["lost"] == 1
    assert (goal["clock"], goal["n"]) == ("goal", 20)
    assert goal["sentence"].startswith("Usually buys every")


def test_any_log_is_scored_without_a_workspace(tmp_path: Path, capsys):
    log, out = tmp_path / "log.csv.gz", tmp_path / "scores.csv"
    with gzip.open(log, "wt", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("customer_id", "ts", "channel"))
        rows.writerows(("a", f"2026-01-{day:02}", "web") for day in range(1, 29, 3))
        rows.writerows(("b", f"2025-{month:02}-01T10:00:00Z", "web") for month in range(1, 6))

    words = ["--as-of", "2026-02-01", "--horizon", "30", "--own", "web", "--out", str(out)]
    code = main(["drift", "--events", str(log), *words])

    with out.open(encoding="utf-8", newline="") as lines:
        scores = {row["customer_id"]: row for row in csv.DictReader(lines)}
    assert code == 0
    assert float(scores["a"]["score"]) < float(scores["b"]["score"])
    assert 0 <= float(scores["a"]["p"]) <= 1


@pytest.mark.parametrize(
    "text", ["customer_id,when\na,2026-01-01\n", "customer_id,ts,channel\na,soon,web\n"]
)
def test_a_log_that_cannot_be_read_is_wrong_use(tmp_path: Path, text: str):
    log = tmp_path / "log.csv"
    log.write_text(text, encoding="utf-8")
    words = ["--as-of", "2026-02-01", "--out", str(tmp_path / "out.csv")]

    assert main(["drift", "--events", str(log), *words]) == 2
    assert main(["drift", "--events", str(tmp_path / "none.csv"), *words]) == 2
    assert not (tmp_path / "out.csv").exists()
