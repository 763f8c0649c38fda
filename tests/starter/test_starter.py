"""The workspace that `rekindle init` makes: in order, complete, and a good example."""

import re

import pytest

from rekindle import ENGINE_ROOT
from rekindle.settings import Settings
from rekindle.workspace.folder import load_workspace

STARTER = ENGINE_ROOT / "starter"


@pytest.fixture(scope="module")
def workspace():
    return load_workspace(STARTER, {})


def test_it_has_nothing_to_complain_about(workspace):
    assert [str(problem) for problem in workspace.problems] == []


def test_it_has_the_five_journeys_and_what_they_need(workspace):
    library = workspace.library

    assert set(library.journeys) == {
        "win_back", "ticket_acknowledge", "ticket_follow_up", "service_recovery", "nps",
    }  # fmt: skip
    assert set(library.segments) == {"drifting_regulars", "at_risk"}
    assert set(library.surveys) == {"csat", "nps"}
    assert library.journeys["win_back"].backfill
    assert "offers" in library.data


def test_one_mail_is_also_there_in_persian_and_arabic(workspace):
    names = set(workspace.library.templates)

    assert {"win_back/we_miss_you", "win_back/we_miss_you.fa", "win_back/we_miss_you.ar"} <= names


def test_persian_uses_persian_letters_and_arabic_arabic_ones(workspace):
    persian = workspace.library.templates["win_back/we_miss_you.fa"]
    arabic = workspace.library.templates["win_back/we_miss_you.ar"]

    assert not set("يك") & set(persian)
    assert "\u200c" in persian
    assert not set("یک") & set(arabic)


def test_every_setting_is_shown(workspace):
    [reading] = [one for one in workspace.readings if one.file.kind == "settings"]
    shown = set(reading.document.data)

    assert shown == {field.alias or name for name, field in Settings.model_fields.items()}


def test_every_mail_has_a_subject_and_a_preheader_and_no_more_than_one_button(workspace):
    for name, source in workspace.library.templates.items():
        if name.startswith("layouts/"):
            continue
        assert "{% block subject %}" in source, name
        assert "{% block preheader %}" in source, name
        assert source.count('class="button"') <= 1, name


def test_no_mail_is_left_over(workspace):
    texts = "\n".join(one.file.text for one in workspace.readings if one.file.kind == "journey")
    mails = {name.split(".")[0] for name in workspace.library.templates}

    sent = set(re.findall(r"(?:send|template|message): ([a-z_]+/[a-z_]+)", texts))
    assert {name for name in mails if not name.startswith("layouts/")} == sent


def test_it_holds_nothing_but_text():
    for path in STARTER.rglob("*"):
        if path.is_file():
            assert path.read_text(encoding="utf-8")
