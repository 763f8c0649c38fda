"""Who pressed the button: a person, or a machine that reads the mail first."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from store.records import Hit, MessageId
from surveys.evidence import SentForm, Sign, judge, judge_form

DELIVERED = datetime(2026, 3, 2, 8, tzinfo=UTC)
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)"
DESKTOP = "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_0)"
TRACES = json.loads((Path(__file__).parent / "scanner_traces.json").read_text("utf-8"))["traces"]
LINKS = {"hidden": "decoy", "open-pixel": "open"}


def hits_of(*requests: tuple[float, str, str, str]) -> list[Hit]:
    """Requests as (seconds after delivery, method, link, agent)."""
    return [
        Hit(number, MessageId(1), link, method, agent, DELIVERED + timedelta(seconds=seconds))
        for number, (seconds, method, link, agent) in enumerate(requests, start=1)
    ]


def signs_of(hit: Hit, hits: list[Hit]) -> tuple[Sign, ...]:
    """What speaks against one of these; every look made a page, and a form is of the latest."""
    looks = [one for one in hits if one.method != "POST"]
    if hit.method != "POST":
        return judge(hit, looks, DELIVERED).signs
    views = [one.occurred_at for one in looks if one.id < hit.id and one.method == "GET"]
    form = SentForm(hit, views[-1] if views else None)
    return judge_form(form, [one for one in hits if one.method == "POST"]).signs


def signs_of_last(*requests: tuple[float, str, str, str]) -> tuple[Sign, ...]:
    hits = hits_of(*requests)
    return signs_of(hits[-1], hits)


def our_link(name: str) -> str:
    kind, _, score = name.partition(":")
    return f"survey:{score.partition(':')[0]}" if kind == "answer" else LINKS.get(name, name)


def hits_of_trace(trace: dict[str, Any]) -> list[Hit]:
    return hits_of(
        *((one["dt_s"], one["method"], our_link(one["link"]), one["ua"]) for one in trace["steps"])
    )


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace["name"])
def test_recorded_visits_count_as_they_should(trace):
    hits = hits_of_trace(trace)

    people = [hit for hit in hits if not signs_of(hit, hits)]

    expected = trace["expect"]
    answers = [hit for hit in people if hit.method == "POST"]
    opens = [hit for hit in people if hit.link == "open"]
    assert len(answers) == expected.get("answers_counted", 0)
    assert len(opens) == expected.get("human_opens", 0)
    if "value" in expected:
        assert answers[0].link == f"survey:{expected['value']}"
    if expected.get("clicks_counted") == 0:
        assert people == []


def test_a_person_who_reads_and_presses_the_button_has_no_sign_against_them():
    signs = signs_of_last((60, "GET", "survey:4", PHONE), (64, "POST", "survey:4", PHONE))

    assert signs == ()


def test_a_person_who_corrects_the_score_they_clicked_is_still_a_person():
    signs = signs_of_last(
        (60, "GET", "survey:3", PHONE),
        (64, "GET", "survey:4", PHONE),
        (66, "POST", "survey:4", PHONE),
    )

    assert signs == ()


def test_a_second_link_in_another_tab_is_a_persons():
    assert signs_of_last((60, "GET", "click:1", DESKTOP), (61, "GET", "click:2", DESKTOP)) == ()


@pytest.mark.parametrize(
    ("requests", "sign"),
    [
        ([(60, "HEAD", "click:1", PHONE)], Sign.HEAD),
        ([(9, "GET", "click:1", PHONE)], Sign.AFTER_DELIVERY),
        ([(-1, "GET", "click:1", PHONE)], Sign.AFTER_DELIVERY),
        ([(60, "GET", "click:1", "Mozilla/5.0")], Sign.AGENT),
        ([(60, "GET", "click:1", "")], Sign.AGENT),
        ([(60, "GET", "click:1", "BarracudaCentral/1.0")], Sign.AGENT),
        ([(60, "GET", "click:1", "python-requests/2.32")], Sign.AGENT),
        ([(60, "GET", "click:1", "Mozilla/5.0 (X11) HeadlessChrome/156")], Sign.AGENT),
        ([(60, "HEAD", "click:1", PHONE), (68, "GET", "click:1", PHONE)], Sign.PROBED),
        ([(60, "GET", "decoy", PHONE), (68, "GET", "click:1", PHONE)], Sign.DECOY),
        (
            [(60, "GET", f"click:{number}", DESKTOP) for number in (1, 2, 3)],
            Sign.MANY_LINKS,
        ),
        (
            [
                (60, "GET", "survey:1", PHONE),
                (61, "GET", "survey:5", PHONE),
                (62, "GET", "click:1", PHONE),
            ],
            Sign.MANY_SCORES,
        ),
        (
            [
                (60, "GET", "survey:1", PHONE),
                (64, "POST", "survey:1", PHONE),
                (66, "POST", "survey:5", PHONE),
            ],
            Sign.MANY_SCORES,
        ),
        (
            [(60, "GET", "survey:4", PHONE), (64, "POST", "survey:4", "BarracudaCentral/1.0")],
            Sign.AGENT,
        ),
        ([(60, "POST", "survey:4", PHONE)], Sign.UNSEEN),
        ([(60, "GET", "survey:4", PHONE), (60.4, "POST", "survey:4", PHONE)], Sign.HURRIED),
    ],
    ids=lambda value: value.name if isinstance(value, Sign) else "",
)
def test_each_sign_is_found_on_its_own(requests, sign):
    assert signs_of_last(*requests) == (sign,)


def test_what_comes_later_reverses_a_verdict():
    click, decoy = hits_of((60, "GET", "click:1", PHONE), (65, "GET", "decoy", PHONE))

    assert judge(click, [click], DELIVERED).is_person
    assert not judge(click, [click, decoy], DELIVERED).is_person


AROUND = [
    (60, "HEAD", "survey:4", DESKTOP),
    (60, "GET", "decoy", DESKTOP),
    (61, "GET", "survey:1", DESKTOP),
    (61.5, "GET", "survey:5", DESKTOP),
    (62, "GET", "survey:", DESKTOP),
    (63.9, "GET", "unsubscribe", DESKTOP),
    (64, "GET", "click:1", "BarracudaCentral/1.0"),
    (64.1, "HEAD", "survey:5", DESKTOP),
]


@pytest.mark.parametrize("number", range(1, len(AROUND) + 1))
def test_no_looks_before_or_around_it_speak_against_a_form(number):
    hits = hits_of(*AROUND[:number], (64.2, "POST", "survey:4", DESKTOP))

    form = SentForm(hits[-1], DELIVERED + timedelta(seconds=60))

    assert judge_form(form, hits[-1:]).is_person


def test_a_field_that_nobody_can_see_was_filled_in_by_a_machine():
    (hit,) = hits_of((60, "POST", "survey:4", "python-requests/2.32"))

    form = SentForm(hit, DELIVERED, is_trapped=True)

    assert judge_form(form, [hit]).signs == (Sign.TRAPPED,)


def test_whoever_saw_their_answer_recorded_may_correct_it_at_once():
    signs = signs_of_last(
        (60, "GET", "survey:4", PHONE),
        (64, "POST", "survey:4", PHONE),
        (65, "GET", "survey:", PHONE),
        (66.2, "POST", "survey:2", PHONE),
    )

    assert signs == ()


def test_another_score_of_another_agent_seconds_later_says_nothing():
    signs = signs_of_last(
        (60, "GET", "survey:4", PHONE),
        (64, "POST", "survey:4", PHONE),
        (66, "POST", "survey:1", DESKTOP),
    )

    assert signs == ()


def test_going_back_to_change_an_answer_is_no_second_score_tried():
    signs = signs_of_last(
        (60, "GET", "survey:4", PHONE),
        (62, "GET", "survey:", PHONE),
        (63, "GET", "click:1", PHONE),
    )

    assert signs == ()


def test_a_telephone_whose_maker_is_called_like_a_crawler_is_a_persons():
    cubot = "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36"

    assert signs_of_last((60, "GET", "survey:4", cubot), (64, "POST", "survey:4", cubot)) == ()


def test_a_gateways_visit_does_not_spoil_the_persons_that_follows():
    signs = signs_of_last(
        (20, "HEAD", "survey:4", DESKTOP),
        (20, "GET", "decoy", DESKTOP),
        (30, "GET", "survey:4", PHONE),
        (34, "POST", "survey:4", PHONE),
    )

    assert signs == ()


def test_a_form_from_a_program_that_says_so_was_sent_on_purpose():
    signs = signs_of_last(
        (60, "GET", "survey:4", PHONE), (70, "POST", "survey:4", "python-requests/2.32")
    )

    assert signs == ()


@pytest.mark.parametrize("agent", ["python-requests/2.32", "curl/8.9", ""])
def test_a_program_may_look_at_every_link_and_send_the_form_at_once(agent):
    looks = [(1.0, "GET", f"survey:{score}", agent) for score in (1, 2, 3)]

    hits = hits_of(*looks, (1.1, "POST", "survey:2", agent))

    assert [hit.method for hit in hits if not signs_of(hit, hits)] == ["POST"]


def test_without_a_delivery_time_nothing_is_too_early():
    (hit,) = hits_of((0, "GET", "click:1", PHONE))

    assert judge(hit, [hit], None).is_person
