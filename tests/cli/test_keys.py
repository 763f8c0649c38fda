"""`rekindle keys`: shown once, listed by digest, shut out for good."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rekindle.cli.app import main

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_it(*words: str, code: int = 0) -> str:
        assert main(["keys", *words, "--workspace", str(tmp_path)]) == code
        said = capsys.readouterr()
        return said.out + said.err

    return run_it


def test_a_new_key_is_printed_once_and_never_listed(run: Run):
    key = run("add").strip()

    assert key.startswith("wk_")
    assert key not in run("list")
    assert key not in run("list", "--json")


def test_a_key_of_ones_own_may_be_let_in_once(run: Run):
    assert run("add", "--write-key", "wk_mine", "--browser") == "wk_mine\n"
    assert "let in before" in run("add", "--write-key", "wk_mine", code=2)
    listed: list[dict[str, Any]] = json.loads(run("list", "--json"))
    assert [key["browser"] for key in listed] == [True]


def test_a_revoked_key_is_listed_as_such(run: Run):
    run("add", "--label", "shop")

    run("revoke", "1")

    assert "revoked" in run("list")
    assert "no key 1" in run("revoke", "1", code=1)
