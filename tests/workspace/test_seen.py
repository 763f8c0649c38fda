"""Names that never came: a warning where there is something to compare with."""

import json
from pathlib import Path
from typing import Any

import pytest

from rekindle.cli.app import main
from tests.shop import Shop

RULE = """
segment: odd
match:
  all:
    - event: [order.completd, "order.*", "shop.*", message.opened]
    - trait: plam
      exists: true
    - event: any
"""


@pytest.fixture
def check(tmp_path: Path, database_url: str, capsys) -> Any:
    def run(*words: str) -> tuple[int, Any]:
        code = main(["--workspace", str(tmp_path), "--database", database_url, *words, "check"])
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def shop(tmp_path: Path, database_url: str, now) -> Any:
    made = Shop(tmp_path, database_url, now)
    made.write("segments/odd.yaml", RULE)
    yield made
    made.close()


def test_events_and_traits_that_nobody_ever_had_are_warned_of(shop: Shop, check, now):
    shop.happened("order.completed", "anna", now)
    shop.customer("anna", plan="pro")

    code, said = check("--json")

    problems = json.loads(said)["problems"]
    assert code == 0
    assert [(one["line"], one["message"], one["hint"]) for one in problems] == [
        (4, "warning: no event called 'order.completd' was ever seen.",
         "Did you mean 'order.completed'?"),
        (4, "warning: no event called 'shop.*' was ever seen.", ""),
        (5, "warning: no customer ever had a trait 'plam'.", "Did you mean 'plan'?"),
    ]  # fmt: skip


def test_an_empty_database_knows_no_better(shop: Shop, check):
    assert check() == (0, "All is in order.\n")


def test_a_database_that_is_not_there_is_not_asked(tmp_path: Path, check, capsys):
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments" / "odd.yaml").write_text(RULE.lstrip(), encoding="utf-8")

    nowhere = ["--database", "postgresql://nobody@127.0.0.1:1/none"]
    code = main(["--workspace", str(tmp_path), *nowhere, "check"])

    assert (code, capsys.readouterr().out) == (0, "All is in order.\n")
    assert main(["--workspace", str(tmp_path), "check"]) == 0
    assert not (tmp_path / ".rekindle").exists()


VIPS = """
segment: vips
match:
  all:
    - {trait: vip, is: true}
    - {trait: size, at_least: 4}
"""


def test_numbers_and_truths_that_are_asked_of_texts_are_warned_of(shop: Shop, check):
    shop.write("segments/odd.yaml", VIPS.replace("vips", "odd"))
    shop.customer("anna", vip="true", size="007")
    shop.customer("ben", vip="false", size=5)

    code, said = check("--json")

    [problem] = json.loads(said)["problems"]
    assert (code, problem["line"]) == (0, 4)
    assert problem["message"] == (
        "warning: true is no text, and customers have only texts as 'vip': 'false', 'true'."
    )
    assert problem["hint"].endswith("compare with it, as in is: 'true'.")


def test_what_was_told_as_it_is_asked_is_in_order(shop: Shop, check):
    shop.write("segments/odd.yaml", VIPS.replace("vips", "odd"))
    shop.customer("anna", vip=True, size=5)
    shop.customer("ben", vip="true", size="5")

    assert check() == (0, "All is in order.\n")
