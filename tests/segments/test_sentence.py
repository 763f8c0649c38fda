"""The drift sentence: every example of its wordings, and the rules that they do not show."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from segments.drift import sentence
from segments.drift.figures import DriftFigures
from segments.drift.sentence import choose_form, describe, sentences, write_days

NOW = datetime(2026, 4, 10, 12, tzinfo=UTC)
NEXT_AT = datetime(2026, 5, 3, 8, tzinfo=UTC)
LOST_AT = datetime(2026, 1, 12, 8, tzinfo=UTC)
EXAMPLES = yaml.safe_load(
    (Path(sentence.__file__).parent / "drift-sentences.yaml").read_text(encoding="utf-8")
)["examples"]


def figures(**known):
    values = {
        "clock": "goal", "state": "drifting", "is_new": False, "n": 7, "usual_days": 6.0,
        "lately_days": 9.0, "silence_days": 24.0, "stays": 0.8, "limit_days": 150.0, "risk": 0.7,
        "next_state": "dormant", "next_state_at": NEXT_AT, "lost_at": LOST_AT,
    }  # fmt: skip
    return DriftFigures(**{**values, **known})


def given(example):
    told = example["given"]
    return figures(
        clock=told["clock"],
        usual_days=told["usual"],
        lately_days=told["lately"],
        silence_days=float(told["silence"]),
        stays=told["stay"] / 10,
        limit_days=float(told["limit"]),
        next_state=told["state"],
        next_state_at=NEXT_AT if told["state"] else None,
    )


def describe_en(**known):
    return describe(figures(**known), "en", NOW, UTC)


@pytest.mark.parametrize("locale", ["en", "ar-SA", "ar-AE", "fa", "az"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["given"]["silence"]))
def test_the_examples_of_the_wordings_come_out_as_written(example, locale):
    assert describe(given(example), locale, NOW, UTC) == example[locale]


def test_lately_is_said_only_when_its_rounded_number_differs():
    assert "lately" not in describe_en(usual_days=6.4, lately_days=5.6)
    assert "lately every 7 days" in describe_en(usual_days=6.4, lately_days=6.5)


def test_a_gap_is_never_below_one_day():
    assert describe_en(usual_days=0.2, lately_days=0.3).startswith("Usually buys every day;")


def test_a_part_of_the_day_of_the_last_event_is_today():
    assert "bought today" in describe_en(silence_days=0.9)
    assert "no purchase for 1 day." in describe_en(silence_days=1.9)


def test_a_crossing_today_or_tomorrow_is_said_in_words():
    today = datetime(2026, 4, 10, 23, 30, tzinfo=UTC)

    assert "dormant later today" in describe_en(next_state_at=today)
    assert "dormant tomorrow" in describe_en(next_state_at=datetime(2026, 4, 11, 1, tzinfo=UTC))


def test_a_date_in_another_year_names_its_year():
    in_february = figures(next_state_at=datetime(2027, 2, 2, tzinfo=UTC))
    in_may = figures(next_state_at=datetime(2027, 5, 2, tzinfo=UTC))

    assert "on 2 February 2027" in describe(in_february, "en", NOW, UTC)
    assert "در ۱۳ بهمن وضعیتش" in describe(in_february, "fa", NOW, UTC)  # still 1405
    assert "در ۱۲ اردیبهشت ۱۴۰۶ وضعیتش" in describe(in_may, "fa", NOW, UTC)


def test_numbers_and_dates_can_be_isolated_inside_right_to_left_text():
    isolated = describe(figures(), "fa-IR", NOW, UTC, isolates=True)

    assert "\u2068۲۴\u2069 روز" in isolated
    assert "\u2068۱۳ اردیبهشت\u2069" in isolated
    assert "\u2068" not in describe(figures(), "en", NOW, UTC, isolates=True)


def test_a_language_without_wordings_is_answered_in_english():
    assert describe(figures(), "de", NOW, UTC) == describe(figures(), "en", NOW, UTC)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (0, "أقل من يوم"), (1, "يوم واحد"), (2, "يومين"), (3, "3 أيام"), (10, "10 أيام"),
        (11, "11 يومًا"), (24, "24 يومًا"), (99, "99 يومًا"), (100, "100 يوم"), (101, "101 يوم"),
        (102, "102 يوم"), (103, "103 أيام"), (111, "111 يومًا"), (150, "150 يومًا"),
        (365, "365 يومًا"), (730, "730 يومًا"),
    ],
)  # fmt: skip
def test_arabic_counts_days_in_all_its_six_forms(days, said):
    assert write_days(days, "ar") == said


def test_persian_zero_and_one_are_exact_forms():
    silence = sentences()["fa"]["silence"]["goal"]

    assert choose_form(silence, 0, "fa") == "امروز خرید کرده است"
    assert choose_form(silence, 1, "fa").startswith("یک روز")
