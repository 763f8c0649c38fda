"""Figures of surveys against worked-out vectors."""

import json
from pathlib import Path

import pytest

from surveys.scoring import (
    easy_share,
    mean_score,
    measure,
    nps,
    nps_interval,
    nps_shares,
    response_rate,
    wilson,
)

HERE = Path(__file__).parent
NPS = json.loads((HERE / "nps_vectors.json").read_text("utf-8"))["cases"]
WILSON = json.loads((HERE / "wilson_vectors.json").read_text("utf-8"))["cases"]
DEGENERATE = [case for case in NPS if case["se_points"] == 0]


def histogram_of(case):
    return {int(score): count for score, count in case["scores_histogram"].items()}


@pytest.mark.parametrize("case", NPS, ids=lambda case: f"n={case['n']}")
def test_nps_and_its_standard_error_equal_the_worked_examples(case):
    shares = nps_shares(histogram_of(case))

    assert shares.promoters == case["promoters"]
    assert shares.detractors == case["detractors"]
    assert nps(histogram_of(case)).value == pytest.approx(case["nps"], abs=1e-6)
    assert shares.standard_error == pytest.approx(case["se_points"], abs=1e-6)


@pytest.mark.parametrize(
    "case", [case for case in NPS if case["se_points"]], ids=lambda case: f"n={case['n']}"
)
def test_the_nps_interval_equals_the_worked_examples(case):
    interval = nps_interval(nps_shares(histogram_of(case)))

    assert [interval.low, interval.high] == pytest.approx(case["ci95"], abs=1e-6)


@pytest.mark.parametrize("case", DEGENERATE, ids=lambda case: f"nps={case['nps']}")
def test_where_all_answer_alike_the_interval_still_has_width(case):
    interval = nps_interval(nps_shares(histogram_of(case)))

    assert interval.low <= case["nps"] <= interval.high
    assert interval.high - interval.low > 5


def test_the_nps_interval_stays_on_the_scale():
    interval = nps_interval(nps_shares({10: 5, 7: 1}))

    assert interval.high == 100


@pytest.mark.parametrize("case", WILSON, ids=lambda case: f"{case['satisfied']} of {case['n']}")
def test_the_csat_interval_is_wilsons(case):
    interval = wilson(case["satisfied"], case["n"])

    assert [interval.low, interval.high] == pytest.approx(case["wilson95_pct"], abs=1e-6)


def test_csat_is_the_share_of_fours_and_fives():
    found = measure("csat", {1: 2, 3: 1, 4: 4, 5: 3})

    assert found is not None
    assert found.value == 70
    assert found.unit == "%"


def test_effort_is_a_mean_with_the_share_of_agreement_beside_it():
    histogram = {1: 5, 4: 5, 7: 10}

    assert mean_score(histogram).value == 4.75
    assert easy_share(histogram).value == 50


def test_four_answers_show_nothing_and_twenty_nine_are_few():
    assert measure("nps", {10: 4}) is None
    few, enough = measure("nps", {10: 29}), measure("nps", {10: 30})
    assert few is not None
    assert few.is_few
    assert enough is not None
    assert not enough.is_few


def test_a_survey_without_a_scale_has_no_figure():
    assert measure("text", {0: 100}) is None


def test_the_response_rate_is_over_those_delivered_to():
    rate = response_rate(answered=20, delivered=80)

    assert rate is not None
    assert rate.value == 25
    assert response_rate(answered=1, delivered=4) is None
