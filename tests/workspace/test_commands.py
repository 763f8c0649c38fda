"""The commands that make, check and apply a workspace, as people and programs see them."""

import json

import pytest

from rekindle.cli.app import main
from rekindle.cli.context import Options, set_options
from tests.workspace.test_check import GOOD


@pytest.fixture(autouse=True)
def own_database(sqlite_url, monkeypatch):
    monkeypatch.setenv("REKINDLE_DATABASE_URL", sqlite_url)
    yield
    set_options(Options())


@pytest.fixture
def run(capsys):
    """Runs a command; answers its exit code and what it printed."""

    def command(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, capsys.readouterr().out

    return command


def test_init_makes_a_workspace_that_passes_its_own_check(run, tmp_path):
    code, said = run("init", tmp_path / "shop")

    assert code == 0
    assert "rekindle check" in said
    assert (tmp_path / "shop" / "rekindle.yaml").is_file()
    assert run("check", "--workspace", tmp_path / "shop") == (0, "All is in order.\n")


def test_init_never_overwrites(run, write, capsys):
    folder = write({"rekindle.yaml": "# mine\n"})

    code, _said = run("init", folder)

    assert code == 2
    assert (folder / "rekindle.yaml").read_text() == "# mine\n"
    assert not (folder / "journeys").exists()


def test_init_writes_into_a_folder_that_has_other_files(run, write):
    folder = write({"README.md": "ours\n"})

    assert run("init", folder)[0] == 0
    assert (folder / "journeys" / "win_back.yaml").is_file()


def test_check_counts_what_it_found_and_leaves_with_1(run, write):
    folder = write({**GOOD, "journys/x.yaml": "", "surveys/csat.yaml": "survey: csat\nkind: x\n"})

    code, said = run("check", "--workspace", folder)

    assert code == 1
    assert said.endswith("\n\n1 problem and 1 warning.\n")


def test_check_says_the_same_to_programs(run, write):
    folder = write({**GOOD, "surveys/csat.yaml": "survey: csat\nkind: cast\n"})

    code, said = run("--json", "--workspace", folder, "check")

    assert code == 1
    assert json.loads(said) == {
        "problems": [
            {
                "file": "surveys/csat.yaml",
                "line": 2,
                "column": 7,
                "message": "'cast' is not one of 'csat', 'nps' or 'ces'.",
                "hint": "Did you mean 'csat'?",
            }
        ]
    }


def test_a_warning_alone_is_a_good_end(run, write):
    folder = write({**GOOD, "rekindle.yaml": "people: {leads: ['log:']}\nbase_url: http://${X}y\n"})

    assert run("check", "--workspace", folder)[0] == 0


def test_apply_says_what_it_stored_and_then_that_nothing_changed(run, write):
    folder = write(GOOD)

    code, said = run("apply", "--workspace", folder)
    assert code == 0
    assert "new      journeys/thanks.yaml\n" in said
    code, said = run("apply", "--workspace", folder, "--allow", "10")
    assert (code, said.splitlines()[0]) == (0, "Nothing has changed.")


def test_apply_refuses_a_folder_with_problems(run, write):
    folder = write({**GOOD, "segments/regulars.yaml": "segment: regulars\n"})

    code, said = run("apply", "--workspace", folder)

    assert code == 1
    assert "segments/regulars.yaml:1:1: 'match' is missing here." in said
    assert said.endswith("Nothing was applied.\n")


def test_apply_answers_programs_with_one_document(run, write):
    code, said = run("apply", "--json", "--workspace", write(GOOD))

    assert code == 0
    answer = json.loads(said)
    assert [(one["segment"], one["change"]) for one in answer["segments"]] == [("regulars", "new")]
    assert [(one["journey"], one["change"]) for one in answer["journeys"]] == [("thanks", "new")]
    assert {"kind": "survey", "name": "csat", "change": "new"} in answer["changes"]


def test_a_plan_that_is_not_there_is_not_found(run, write):
    assert run("apply", "plan.json", "--workspace", write(GOOD))[0] == 1


def test_schema_prints_one_document_for_editors(run):
    code, said = run("schema", "segment")

    assert code == 0
    assert json.loads(said)["title"] == "Rekindle segment"


def test_schema_of_an_unknown_kind_is_wrong_use(run, capsys):
    assert main(["schema", "segmnt"]) == 2
    assert "Did you mean 'segment'?" in capsys.readouterr().err
