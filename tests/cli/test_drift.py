"""`rekindle drift`: who drifts away, what that rests on, and scores of any log."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rekindle.cli.app import main

NOW = "2026-03-02T09:00:00Z"
ORDERS = "customer_id,event,occurred_at\n" + "".join(
    f"c{who},Order Completed,2026-0{month}-{day:02}T08:00:00Z\n"
    for who in range(1, 6)
    for month in (1, 2)
    for day in range(who, 28, 2 * who)
)
LOG = "customer_id,ts,channel\nanna,2026-01-01,store\nanna,2026-01-20,store\nbo,2026-01-05,mail\n"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a workspace of its own; gives its exit code and what it printed."""
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "log.csv").write_text(LOG)

    def run_it(*words: str) -> tuple[int, str]:
        code = main(["--workspace", str(tmp_path), "--now", NOW, *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    assert run_it("import", str(tmp_path / "orders.csv"))[0] == 0
    return run_it


def told(run: Run, *words: str) -> Any:
    code, said = run("drift", *words, "--json")
    assert code == 0
    return json.loads(said)


def test_one_customer_is_told_with_what_it_rests_on(run: Run):
    goal, any_ = told(run, "c1")

    assert (goal["customer"], goal["clock"], any_["clock"]) == ("c1", "goal", "any")
    assert goal["state"] in ("active", "cooling", "drifting")
    assert 0 < goal["risk"] < 1
    assert goal["next_state_at"] > NOW[:10]
    assert goal["learned"]["priors"]["counted"] == "order.completed (UTC)"
    assert goal["learned"]["recalibration"]["age_days"] == 0


def test_everybody_is_told_by_state_and_by_name(run: Run):
    found = told(run)

    assert sum(found["states"].values()) == 5
    assert [one["customer"] for one in found["customers"]] == ["c1", "c2", "c3", "c4", "c5"]
    assert set(found["learned"]) == {"goal", "any"}


def test_people_read_states_and_what_was_learned(run: Run):
    _, everybody = run("drift")
    _, one = run("drift", "c2")

    assert "defaults: too few have returned" in everybody
    assert "within a week" in everybody
    assert "Usually buys every" in one
    assert "learned for this look, as of 2026-03-02" in one


def test_an_earlier_day_is_told_as_it_was(run: Run):
    first = told(run, "c1", "--now", "2026-01-10T00:00:00Z")

    assert first[0]["n"] == 5


def test_nobody_of_that_name_is_a_finding(run: Run):
    assert run("drift", "zoe")[0] == 1


def test_any_log_is_scored_into_a_file(run: Run, tmp_path: Path):
    log, out = str(tmp_path / "log.csv"), tmp_path / "scores.csv"
    words = ("--events", log, "--own", "store", "--as-of", "2026-02-01", "--horizon", "30")

    found = told(run, *words, "--out", str(out))

    header, anna = out.read_text().splitlines()
    assert header == "customer_id,score,p"
    assert anna.startswith("anna,0.")
    assert (found["customers"], found["priors"]["sample"]) == (1, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--events", "log.csv"], "--as-of DAY and --out FILE"),
        (["--as-of", "2026-01-01"], "go with --events"),
        (["--events", "none.csv", "--as-of", "2026-01-01", "--out", "o.csv"], "cannot be read"),
        (["--events", "orders.csv", "--as-of", "2026-01-01", "--out", "o.csv"], "no column 'ts'"),
        (["--events", "log.csv", "--as-of", "soon", "--out", "o.csv"], "is not a day"),
    ],
)
def test_wrong_use_says_what_is_wrong(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
):
    monkeypatch.chdir(tmp_path)

    code, answer = run("drift", *words)

    assert code == 2
    assert said in answer
