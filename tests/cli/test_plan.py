"""`plan` and `apply`: counted first, refused past limits, refused when the world has moved."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rekindle.cli.app import main

Run = Callable[..., Any]
ALL = "segment: all\nmatch: {trait: email, exists: true}\n"
HELLO = """\
journey: hello
topic: offers
start: [{enters: all}]
backfill: true
steps: [{send: hello}]
"""
MAIL = '{% extends "layouts/brand" %}{% block subject %}Hello{% endblock %}'


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def import_customers(run: Run, folder: Path, *ids: str) -> None:
    lines = ["customer_id,email", *(f"{id_},{id_}@example.com" for id_ in ids)]
    write(folder, {"customers.csv": "\n".join(lines) + "\n"})
    run("import", str(folder / "customers.csv"))


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a workspace that mails everybody with an address; gives its document."""

    def run_it(*words: str, code: int = 0, as_json: bool = True) -> Any:
        given = ["--workspace", str(tmp_path), "--now", "2026-03-02T09:00:00Z"]
        assert main([*words, *given, *(["--json"] if as_json else [])]) == code
        said = capsys.readouterr()
        return json.loads(said.out) if as_json else said.out + said.err

    write(tmp_path, {"rekindle.yaml": "brand: {name: Shop}\nlimits: {floor: 0}\n"})
    run_it("apply")
    import_customers(run_it, tmp_path, "ana", "bob", "cy")
    write(
        tmp_path,
        {
            "segments/all.yaml": ALL,
            "journeys/hello.yaml": HELLO,
            "templates/hello.html.j2": MAIL,
        },
    )
    return run_it


def test_a_plan_has_the_shape_that_scripts_rely_on(run: Run):
    made = run("plan", code=1)

    [segment], [journey] = made["segments"], made["journeys"]
    assert segment == {"segment": "all", "change": "new", "size": 3, "enter": 3, "leave": 0}
    assert set(journey) == {
        "journey", "change", "start", "move", "exit", "stay", "emailed", "not_emailed",
        "not_started", "mailboxes", "sharing", "mails_24h", "mails_to", "excluded",
    }  # fmt: skip
    assert (journey["start"], made["mails_24h"], made["within_limits"]) == (3, 3, False)


def test_apply_stores_nothing_past_the_limits_until_that_many_are_allowed(run: Run):
    run("apply", "--allow", "2", code=1)
    refused = run("segment")
    allowed = run("apply", "--allow", "3")

    assert refused == []
    assert allowed["within_limits"] is True
    assert run("run", "--until-idle")["sent"] == allowed["mails_24h"]


def test_a_process_that_applies_for_the_first_time_asks_the_same_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def run(*words: str) -> tuple[int, str]:
        code = main([*words, "--workspace", str(tmp_path), "--now", "2026-03-02T09:00:00Z"])
        said = capsys.readouterr()
        return code, said.out + said.err

    write(
        tmp_path,
        {
            "rekindle.yaml": "brand: {name: Shop}\nlimits: {floor: 0}\n",
            "segments/all.yaml": ALL,
            "journeys/hello.yaml": HELLO,
            "templates/hello.html.j2": MAIL,
            "customers.csv": "customer_id,email\nana,ana@example.com\n",
        },
    )
    assert run("import", str(tmp_path / "customers.csv"))[0] == 0
    code, said = run("run", "--until-idle")
    assert code == 1
    assert "past its limits: it would concern 1 customer and send 1 email" in said
    assert run("apply", "--allow", "1")[0] == 0
    code, said = run("run", "--until-idle")
    assert code == 0
    assert "1 started" in said


def test_what_was_past_a_limit_is_said_to_be_allowed_and_not_within_it(run: Run):
    refused = run("apply", "--allow", "2", code=1)["refused"]

    allowed = run("apply", "--allow", "3", as_json=False)

    assert refused == (
        "3 emails in 24 hours: within the limit of 5,000. The largest change concerns 100% of 3 "
        "customers (3 start hello): past the limit of 20%. 'apply --allow 3' would let it pass."
    )
    assert allowed.endswith("(3 start hello): past the limit of 20%, allowed by --allow 3.\n")


def test_a_refusal_is_told_once(run: Run):
    said = run("apply", code=1, as_json=False)

    assert said.count("The largest change") == said.count("would let it pass") == 1
    assert said.endswith("Nothing was applied.\n")


def test_where_nothing_has_changed_no_limit_is_spoken_of(run: Run):
    run("apply", "--allow", "3")
    before = run("plan", as_json=False)
    run("run", "--until-idle")

    after = run("plan", as_json=False)

    assert before == "Nothing has changed.\n3 emails in 24 hours, of what is under way.\n"
    assert after == "Nothing has changed.\n"
    assert run("plan", "--markdown", as_json=False).endswith("Nothing has changed.\n")


def test_a_plan_that_was_kept_is_carried_out(run: Run, tmp_path: Path):
    run("plan", "--out", str(tmp_path / "p.json"), code=1)

    applied = run("apply", str(tmp_path / "p.json"), "--allow", "3")

    assert [one["segment"] for one in applied["segments"]] == ["all"]
    assert run("segment", "all")["size"] == 3


def test_a_plan_is_refused_once_the_folder_was_changed(run: Run, tmp_path: Path):
    run("plan", "--out", str(tmp_path / "p.json"), code=1)
    write(tmp_path, {"segments/all.yaml": ALL + "description: Everybody\n"})

    refused = run("apply", str(tmp_path / "p.json"), "--allow", "99", code=1)

    assert "the folder was changed" in refused["refused"]


def test_a_plan_is_refused_once_it_concerns_other_people(run: Run, tmp_path: Path):
    run("plan", "--out", str(tmp_path / "p.json"), code=1)
    import_customers(run, tmp_path, "dan")

    refused = run("apply", str(tmp_path / "p.json"), "--allow", "99", code=1)

    assert "other people are concerned" in refused["refused"]


def test_a_plan_is_refused_once_something_else_was_applied(run: Run, tmp_path: Path):
    run("plan", "--out", str(tmp_path / "p.json"), code=1)
    run("apply", "--allow", "3")

    refused = run("apply", str(tmp_path / "p.json"), "--allow", "99", code=1)

    assert "something else was applied" in refused["refused"]


def test_a_file_that_is_no_plan_is_wrong_use(run: Run, tmp_path: Path):
    assert "is not a plan" in run("apply", str(tmp_path / "customers.csv"), code=2)["error"]


def test_a_plan_for_a_pull_request_is_a_table(run: Run):
    said = run("plan", "--markdown", code=1, as_json=False)

    assert "| all | new | 3 | 3 | 0 |" in said
    assert "| hello | new | 3 | 0 | 0 | 3 |" in said
    assert "past the limit of 20%" in said


def test_one_is_singular_in_what_people_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def say(*words: str) -> str:
        main([*words, "--workspace", str(tmp_path), "--now", "2026-03-02T09:00:00Z"])
        return capsys.readouterr().out

    write(tmp_path, {"rekindle.yaml": "brand: {name: Shop}\n"})
    write(tmp_path, {"templates/hello.html.j2": MAIL, "journeys/hello.yaml": HELLO})
    write(tmp_path, {"segments/all.yaml": ALL, "c.csv": "customer_id,email\nana,ana@x.example\n"})
    imported = [say("import", str(tmp_path / "c.csv")) for _ in range(2)][-1]
    planned = say("plan")

    assert "1 duplicate," in imported
    assert "1 starts hello: 1 emailed in 24 hours." in planned
    assert "\n1 email in 24 hours: within the limit of 5,000." in planned
    assert "100% of 1 customer (1 starts hello): within 500 people and emails, where" in planned
