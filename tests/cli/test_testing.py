"""`rekindle test`, as people and scripts call it."""

import json
import re

import pytest

from rekindle.cli.app import main
from tests.testkit.builders import write_workspace

CASES = {
    "a good one": "steps: [{event: order.completed}, {expect: {mail: hello}}]",
    "a bad one": "steps: [{event: order.completed}, {expect: no mail}]",
}


@pytest.fixture
def options(tmp_path) -> list[str]:
    return ["--workspace", str(write_workspace(tmp_path, CASES)), "test"]


def test_people_see_each_case_and_why_one_failed(options, capsys):
    code = main(options)

    out = capsys.readouterr().out
    assert code == 1
    assert re.search(r"^ok     story: a good one \(\d+ ms\)$", out, re.MULTILINE)
    assert "FAILED story: a bad one" in out
    assert "tests/story.yaml:7:46: ana was sent hello ('Hello')" in out
    assert "What happened to ana:" in out
    assert re.search(r"^1 of 2 tests failed in [\d.]+ s, of which [\d.]+ s to get ready\.$", out,
                     re.MULTILINE)  # fmt: skip


def test_scripts_get_one_document(options, capsys):
    main([*options, "--json"])

    document = json.loads(capsys.readouterr().out)
    assert (document["passed"], document["failed"]) == (1, 1)
    spent = document["ready_ms"] + sum(one["ms"] for one in document["tests"])
    assert document["ms"] == pytest.approx(spent, abs=len(document["tests"]) + 1)
    bad = document["tests"][1]
    assert (bad["case"], bad["passed"], bad["problem"]["line"]) == ("a bad one", False, 7)
    assert "Mon 02 Mar 09:00  started welcome" in bad["timelines"]["ana"]


def test_all_is_well(tmp_path, capsys):
    folder = write_workspace(tmp_path, {"a good one": CASES["a good one"]})

    code = main(["--workspace", str(folder), "test", "story"])

    assert code == 0
    assert "1 test passed" in capsys.readouterr().out


def test_a_workspace_without_tests_says_where_they_go(tmp_path, capsys):
    folder = write_workspace(tmp_path, CASES)
    (folder / "tests" / "story.yaml").unlink()

    code = main(["--workspace", str(folder), "test"])

    assert code == 0
    assert "write them in tests/NAME.yaml" in capsys.readouterr().out


def test_an_unknown_name_is_a_finding(options, capsys):
    code = main([*options, "stroy"])

    assert code == 1
    assert "Did you mean 'story'?" in capsys.readouterr().err


def test_a_broken_workspace_is_reported_as_check_does(options, tmp_path, capsys):
    (tmp_path / "segments" / "buyers.yaml").write_text("segment: buyers\n")

    code = main([*options, "--json"])

    assert code == 1
    assert json.loads(capsys.readouterr().out)["problems"][0]["file"] == "segments/buyers.yaml"
