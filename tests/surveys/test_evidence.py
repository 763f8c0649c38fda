"""Who pressed the button: a person, or a machine that reads the mail first."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from store.records import Hit, MessageId
from surveys.evidence import Sign, judge

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


def signs_of_last(*requests: tuple[float, str, str, str]) -> tuple[Sign, ...]:
    hits = hits_of(*requests)
    return judge(hits[-1], hits, DELIVERED).signs


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

    people = [hit for hit in hits if judge(hit, hits, DELIVERED).is_person]

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
                (66, "POST", "survey:5", PHONE),
            ],
            Sign.MANY_SCORES,
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

    assert [hit.method for hit in hits if judge(hit, hits, DELIVERED).is_person] == ["POST"]


def test_without_a_delivery_time_nothing_is_too_early():
    (hit,) = hits_of((0, "GET", "click:1", PHONE))

    assert judge(hit, [hit], None).is_person
