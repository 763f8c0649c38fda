from dataclasses import replace
from datetime import timedelta

import pytest

from rekindle.workspace.applying import NotApplied, apply_folder
from rekindle.workspace.library import library_from
from store.definitions import load_current, load_versions
from tests.workspace.test_check import GOOD, REGULARS

DAY = timedelta(days=1)


def current(store, at):
    with store.read() as connection:
        return load_current(connection, at)


def test_the_first_apply_stores_every_file(store, write, now):
    applied = apply_folder(store, write(GOOD), {}, now)

    assert [(change.change, change.path) for change in applied.changes] == [
        ("new", "journeys/thanks.yaml"),
        ("new", "segments/regulars.yaml"),
        ("new", "rekindle.yaml"),
        ("new", "surveys/csat.yaml"),
        ("new", "templates/thanks/mail.html.j2"),
    ]


def test_applying_the_same_again_changes_nothing(store, write, now):
    folder = write(GOOD)
    apply_folder(store, folder, {}, now)

    assert apply_folder(store, folder, {}, now + DAY).changes == ()


def test_only_what_differs_becomes_a_version_and_what_is_gone_is_retired(store, write, now):
    folder = write({**GOOD, "surveys/nps.yaml": "survey: nps\nkind: nps\n"})
    apply_folder(store, folder, {}, now)
    (folder / "surveys" / "nps.yaml").unlink()
    write({"segments/regulars.yaml": REGULARS.replace("2", "3")})

    applied = apply_folder(store, folder, {}, now + DAY)

    assert [(change.change, change.name) for change in applied.changes] == [
        ("changed", "regulars"),
        ("retired", "nps"),
    ]


def test_a_folder_with_a_problem_stores_nothing(store, write, now):
    folder = write({**GOOD, "segments/regulars.yaml": "segment: regulars\nmatch: {evnt: a}\n"})

    with pytest.raises(NotApplied) as refused:
        apply_folder(store, folder, {}, now)

    assert len(refused.value.problems) == 1
    assert "Did you mean 'event'?" in str(refused.value)
    assert current(store, now) == []


def test_a_warning_does_not_refuse(store, write, now):
    folder = write({**GOOD, "rekindle.yaml": "people: {leads: ['log:']}\nbase_url: http://${X}x\n"})

    assert apply_folder(store, folder, {}, now).changes


def test_what_was_applied_reads_as_the_folder_did(store, write, now):
    table = {"data/offers.csv": "name\nmug\n", "data/shop.yaml": "url: https://a.example\n"}
    apply_folder(store, write({**GOOD, **table}), {}, now)

    with store.read() as connection:
        versions = load_versions(connection)
    library = library_from(current(store, now), {}, journey_versions=versions)

    assert library.unreadable == ()
    assert set(library.segments) == {"regulars"}
    assert set(library.templates) == {"thanks/mail"}
    assert library.data == {"offers": ({"name": "mug"},), "shop": {"url": "https://a.example"}}
    thanks = library.versions["journey", "thanks"]
    assert library.journey_versions[thanks] == library.journeys["thanks"]


def test_a_secret_in_the_open_is_never_stored(store, write, now):
    text = "people: {leads: ['log:']}\nsmtp: {user: me, password: 'hünter2', port: 26}\n"
    apply_folder(store, write({**GOOD, "rekindle.yaml": text}), {}, now)

    [settings] = [one for one in current(store, now) if one.kind == "settings"]

    assert settings.body == text.replace("'hünter2'", '""')


def test_settings_of_the_place_come_from_the_folder_and_the_others_from_what_was_applied(
    store, write, now
):
    apply_folder(
        store,
        write({**GOOD, "rekindle.yaml": "people: {leads: ['log:']}\nsurvey_rest: 9 days\n"}),
        {},
        now,
    )
    applied = library_from(current(store, now), {}).settings
    here = applied.model_copy(update={"survey_rest": DAY, "base_url": "https://here.example"})

    settings = library_from(current(store, now), {}, here).settings

    assert (settings.survey_rest, settings.base_url) == (9 * DAY, "https://here.example")


def test_a_version_that_can_no_longer_be_read_is_left_out_and_said(store, write, now):
    apply_folder(store, write(GOOD), {}, now)
    broken = [
        replace(one, body="survey: [") if one.kind == "survey" else one
        for one in current(store, now)
    ]

    library = library_from(broken, {})

    assert library.surveys == {}
    assert [problem.place.file for problem in library.unreadable] == ["surveys/csat.yaml"]
