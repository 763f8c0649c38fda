"""`report` and `users`, as scripts call them."""

import io
import json
from pathlib import Path

import pytest
from sqlalchemy import insert

from rekindle.cli.app import main
from rekindle.clock import FixedClock
from rekindle.services import open_services
from store.answers import save_answer
from store.records import Answer, CustomerId, MessageId
from store.tables import enrollments, messages


@pytest.fixture
def shop(tmp_path: Path, sqlite_url: str, now) -> list[str]:
    """The options that lead to a small workspace in which something has happened."""
    (tmp_path / "surveys").mkdir()
    (tmp_path / "surveys" / "nps.yaml").write_text("survey: nps\nkind: nps\n")
    services = open_services(tmp_path, FixedClock(now), database=sqlite_url, environment={})
    with services.store.begin() as tx:
        for number in range(1, 7):
            tx.execute(
                insert(enrollments).values(
                    journey="hello", version_id=1, customer_id=number, key="", cause="event",
                    occurrence=str(number), is_held_out=number == 1, started_at=now,
                    ended="goal" if number == 2 else None,
                )
            )  # fmt: skip
            tx.execute(
                insert(messages).values(
                    id=number, customer_id=number, enrollment_id=number, template="t",
                    topic="surveys", survey="nps", status="sent", queued_at=now, sent_at=now,
                    header_id="<1@example.com>",
                )
            )  # fmt: skip
            answer = Answer("nps", CustomerId(number), MessageId(number), 10 - number, "", now)
            save_answer(tx, answer, now)
    services.close()
    return ["--workspace", str(tmp_path), "--database", sqlite_url]


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_survey_is_reported_with_its_interval_and_response_rate(shop, capsys):
    code, out, _ = run(capsys, *shop, "report", "survey", "nps", "--json")

    document = json.loads(out)
    assert code == 0
    assert (document["invited"], document["delivered"], document["answered"]) == (6, 6, 6)
    assert document["score"]["value"] == -33.33  # one promoter, three detractors of six
    assert document["score"]["too_few"] is True
    assert document["response_rate"]["value"] == 100
    assert document["histogram"]["9"] == 1


def test_a_journey_is_reported_with_its_mails(shop, capsys):
    code, out, _ = run(capsys, *shop, "--json", "report", "journey", "hello")

    document = json.loads(out)
    assert code == 0
    assert (document["started"], document["active"], document["goal"]) == (6, 5, 1)
    assert document["held_out"] == 1
    assert document["mails"] == {"sent": 6}


def test_a_journey_is_reported_with_what_it_is_worth(shop, capsys):
    folder = Path(shop[1])
    (folder / "journeys").mkdir()
    (folder / "journeys" / "hello.yaml").write_text(
        "journey: hello\ntopic: offers\nstart: [{event: account.opened}]\n"
        "goal: {event: order.completed, within: 1 day}\nsteps: [{end: done}]\n"
    )

    code, out, _ = run(capsys, *shop, "--json", "report", "journey", "hello")
    _, text, _ = run(capsys, *shop, "report", "journey", "hello")

    worth = json.loads(out)["uplift"]
    assert code == 0
    assert (worth["standing"], worth["alpha"]) == ("too_few", 0.05)
    assert (worth["mailed"]["customers"], worth["held_out"]["customers"]) == (5, 1)
    assert "Waudby-Smith" in worth["method"]
    assert worth["verdict"] in text
    assert "certainty 95%" in text


@pytest.mark.parametrize("noun", ["journey", "survey"])
def test_without_a_name_all_are_reported(shop, capsys, noun):
    code, out, _ = run(capsys, *shop, "report", noun, "--json")

    assert code == 0
    assert [one[noun] for one in json.loads(out)] == ["hello" if noun == "journey" else "nps"]


def test_people_read_a_report_in_words(shop, capsys):
    code, out, _ = run(capsys, *shop, "report", "survey")

    assert code == 0
    assert "NPS" in out
    assert "too few to tell" in out


def test_an_unknown_name_is_a_finding(shop, capsys):
    code, _, err = run(capsys, *shop, "report", "survey", "nothing")

    assert code == 1
    assert "no survey is called 'nothing'" in err


@pytest.mark.parametrize(
    ("noun", "words"), [("churn", "not there yet"), ("weather", "no report on 'weather'")]
)
def test_other_reports_say_plainly_that_they_are_not_there(shop, capsys, noun, words):
    code, _, err = run(capsys, *shop, "report", noun)

    assert code == 2
    assert words in err


def test_a_user_is_added_with_a_password_from_standard_input(shop, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))

    code, out, _ = run(capsys, *shop, "users", "add", "Ana@Example.com", "--password-stdin")
    _, listed, _ = run(capsys, *shop, "users", "list", "--json")

    assert code == 0
    assert "ana@example.com can sign in." in out
    assert "correct horse" not in out
    assert [user["email"] for user in json.loads(listed)] == ["ana@example.com"]


def test_a_generated_password_is_shown_once(shop, capsys):
    code, out, _ = run(capsys, *shop, "users", "add", "ana@example.com", "--generate", "--json")

    assert code == 0
    assert len(json.loads(out)["password"]) >= 15


@pytest.mark.parametrize(
    ("email", "password", "words"),
    [
        ("ana", "correct horse battery", "not an email address"),
        ("ana@example.com", "short", "at least 10 characters"),
    ],
)
def test_a_bad_address_or_password_is_wrong_use(shop, capsys, monkeypatch, email, password, words):
    monkeypatch.setattr("sys.stdin", io.StringIO(password))

    code, _, err = run(capsys, *shop, "users", "add", email, "--password-stdin")

    assert code == 2
    assert words in err


def test_nobody_is_added_twice(shop, capsys):
    run(capsys, *shop, "users", "add", "ana@example.com", "--generate")

    code, _, err = run(capsys, *shop, "users", "add", "ana@example.com", "--generate")

    assert code == 2
    assert "is a user already" in err
