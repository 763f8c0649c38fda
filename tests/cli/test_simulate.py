"""`simulate`: the enrollments of a stretch of history, and two versions beside each other."""

from pathlib import Path

from tests.cli.test_plan import HELLO, Run, run, write

PERIOD = ("--from", "2026-01-01", "--to", "2026-01-08")
JOINED = HELLO.replace("{enters: all}", "{event: customer.joined}")

__all__ = ["run"]  # the fixture


def joined(run: Run, folder: Path) -> None:
    lines = "customer_id,event,occurred_at\nana,Customer Joined,2026-01-02T10:00:00Z\n"
    write(folder, {"events.csv": lines, "journeys/hello.yaml": JOINED + "holdout: none\n"
                   "because: a test\n", "templates/bye.html.j2": MAIL})  # fmt: skip
    run("import", str(folder / "events.csv"))


MAIL = '{% extends "layouts/brand" %}{% block subject %}Bye{% endblock %}'


def test_a_simulation_has_the_shape_that_scripts_rely_on(run: Run, tmp_path: Path):
    joined(run, tmp_path)

    [trip] = run("simulate", "hello", *PERIOD)["enrollments"]

    assert {name: trip[name] for name in ("journey", "customer", "key", "entered_at", "ended")} == {
        "journey": "hello", "customer": "ana", "key": "",
        "entered_at": "2026-01-02T10:00:00Z", "ended": "finished",
    }  # fmt: skip
    assert trip["steps"] == [
        {
            "step": "send:hello",
            "visit": 1,
            "due_at": "2026-01-02T10:00:00Z",
            "decision": "sent",
            "reason": "",
        }
    ]


def test_two_versions_are_told_apart_by_who_gets_what_when(run: Run, tmp_path: Path):
    joined(run, tmp_path)
    text = (tmp_path / "journeys" / "hello.yaml").read_text().replace("send: hello", "send: bye")
    write(tmp_path, {"other.yaml": text})

    said = run("simulate", "hello", *PERIOD, "--against", str(tmp_path / "other.yaml"))

    assert [
        (one["step"], len(one["mails"]), len(one["against"])) for one in said["difference"]
    ] == [
        ("send:bye", 0, 1),
        ("send:hello", 1, 0),
    ]
    assert said["against"]["mails_a_day"] == {"2026-01-02": 1}


def test_a_file_beside_itself_makes_no_difference(run: Run, tmp_path: Path):
    joined(run, tmp_path)

    said = run("simulate", "hello", *PERIOD, "--against", str(tmp_path / "journeys" / "hello.yaml"))

    assert said["difference"] == []
    assert said["against"]["enrollments"] == said["enrollments"]


def test_a_file_that_is_no_journey_says_where_it_is_wrong(run: Run, tmp_path: Path):
    joined(run, tmp_path)
    write(tmp_path, {"other.yaml": "journey: hello\ntopc: offers\n"})

    said = run("simulate", "hello", *PERIOD, "--against", str(tmp_path / "other.yaml"), code=1)

    assert "Did you mean 'topic'?" in said["error"]


def test_a_version_that_names_what_is_not_there_is_not_played(run: Run, tmp_path: Path):
    joined(run, tmp_path)
    text = (tmp_path / "journeys" / "hello.yaml").read_text().replace("send: hello", "send: by")
    write(tmp_path, {"other.yaml": text})

    said = run("simulate", "hello", *PERIOD, "--against", str(tmp_path / "other.yaml"), code=1)

    assert "no template is called 'by'. Did you mean 'bye'?" in said["error"]


def test_a_period_that_ends_before_it_begins_is_wrong_use(run: Run):
    run("simulate", "hello", "--from", "2026-01-08", "--to", "2026-01-01", code=2)


def test_the_record_stands_beside_nothing_else(run: Run, tmp_path: Path):
    joined(run, tmp_path)

    said = run("simulate", "hello", *PERIOD, "--recorded", code=1)
    run("simulate", "hello", *PERIOD, "--recorded", "--assume-opens", "10%", code=2)

    assert "was not applied by then, so there is no record of it" in said["error"]
