"""`rekindle preview`: the mail of this folder as one customer would get it."""

import json
import shutil

import pytest

from rekindle import ENGINE_ROOT
from rekindle.cli.app import main

CUSTOMERS = "customer_id,email,first_name,locale\nc1,c1@example.com,Sara,fa-IR\n"
EVENTS = (
    "customer_id,event,occurred_at,channel,ticket_id\n"
    "c1,ticket.solved,2026-02-01T10:00:00Z,ticket,77\n"
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop") / "workspace"
    shutil.copytree(ENGINE_ROOT / "starter", folder)
    for name, text in (("customers.csv", CUSTOMERS), ("events.csv", EVENTS)):
        (folder.parent / name).write_text(text, encoding="utf-8")
        file = str(folder.parent / name)
        assert main(["--workspace", str(folder), "--json", "import", file]) == 0
    return folder


def preview(workspace, *arguments):
    return main(
        ["--workspace", str(workspace), "--now", "2026-03-02T08:00:00Z", "preview", *arguments]
    )


def test_the_document_holds_subject_html_and_text(workspace, capsys):
    capsys.readouterr()
    assert preview(workspace, "win_back/we_miss_you", "--customer", "c1", "--json") == 0

    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"subject", "html", "text"}
    assert 'dir="rtl"' in document["html"]
    assert "Sara" in document["text"]


def test_another_language_can_be_asked_for(workspace, capsys):
    assert preview(workspace, "win_back/we_miss_you", "--customer", "c1", "--locale", "en") == 0

    assert "Hello Sara," in capsys.readouterr().out


def test_a_survey_is_asked_in_that_language_too(workspace, capsys):
    assert preview(workspace, "surveys/csat", "--customer", "c1", "--locale", "az") == 0

    assert "Müraciətinizin həll olunmasından" in capsys.readouterr().out


def test_either_part_can_be_printed(workspace, capsys):
    assert preview(workspace, "win_back/gift", "--customer", "c1", "--html") == 0
    html = capsys.readouterr().out
    assert preview(workspace, "win_back/gift", "--customer", "c1", "--text") == 0
    text = capsys.readouterr().out

    assert html.startswith("<!DOCTYPE html>")
    assert text.startswith("Subject: A small gift")


def test_what_only_an_enrollment_knows_comes_from_the_customers_past(workspace, capsys):
    assert preview(workspace, "surveys/csat", "--customer", "c1") == 0

    assert "Your request 77 is closed" in capsys.readouterr().out


def test_what_is_in_no_past_is_made_up(workspace, capsys):
    (workspace / "templates" / "made_up.html.j2").write_text(
        '{% extends "layouts/brand" %}'
        "{% block subject %}{{ event.parcel }} {{ code }}{% endblock %}"
        "{% block body %}{{ answer.csat.score }}{% endblock %}"
    )

    assert preview(workspace, "made_up", "--customer", "c1") == 0

    assert "Subject: [parcel] SAMPLE-CODE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["win_back/gif", "--customer", "c1"], "Did you mean 'win_back/gift'?"),
        (["win_back/gift", "--customer", "zz"], "no customer has the id 'zz'"),
    ],
)
def test_what_is_not_there_is_said(workspace, capsys, arguments, said):
    assert preview(workspace, *arguments) == 1

    assert said in capsys.readouterr().err


def test_a_template_that_cannot_be_rendered_names_file_and_line(workspace, capsys):
    (workspace / "templates" / "broken.html.j2").write_text(
        '{% extends "layouts/brand" %}\n{% block subject %}{{ customer.shoe_size }}{% endblock %}'
    )

    assert preview(workspace, "broken", "--customer", "c1") == 1

    assert "broken.html.j2:2: customer has no 'shoe_size'." in capsys.readouterr().err
