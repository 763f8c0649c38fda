"""What is learned from a log: parameters, the correction of the risk, and scores of any log."""

import csv
import gzip
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.drift.correction import AS_IT_IS
from segments.drift.fitting import RHOS, fit_priors, maximise
from segments.drift.likelihood import Evidence
from segments.drift.log import EventDays
from segments.drift.priors import Pace, default_priors, lapse_limit, lapse_limit_of
from segments.drift.recalibration import Clock, corrected_risks, inputs_at, recalibrate
from segments.drift.scoring import LoggedEvent, score_log
from tests.segments.drift_oracle import fold

FIRST = date(2025, 1, 6)
PRIORS = default_priors("goal", [20.0, 30.0, 40.0, 200.0])
logs = st.lists(st.tuples(st.integers(1, 8), st.integers(20_000, 20_900)), min_size=1, max_size=80)


def visitors(number: int, *, every: int, until: int, seed: int = 1) -> EventDays:
    """So many who come about `every` days, up to day `until`, and stop for ever now and then."""
    chance = np.random.default_rng(seed)
    rows = []
    for customer in range(1, number + 1):
        day, paces = float(chance.integers(0, until // 2)), chance.gamma(2.0, every / 2)
        while day < until:
            rows.append((customer, int(day)))
            day += 1 + chance.exponential(paces) if chance.random() < 0.85 else until
    return EventDays.of(rows)


# --- logs as arrays ------------------------------------------------------------------------------


@given(log=logs, rho=st.sampled_from(RHOS), horizon=st.floats(7, 365))
def test_all_at_once_equals_one_by_one(log: list[tuple[int, int]], rho: float, horizon: float):
    pace = Pace(rho, horizon)
    found = EventDays.of(log).rhythms(pace)

    assert found.ids.tolist() == sorted({customer for customer, _ in log})
    for place, customer in enumerate(found.ids):
        theirs = fold([date.fromordinal(d) for one, d in log if one == customer], pace)
        assert (found.n[place], found.last[place]) == (theirs.n, theirs.last_on.toordinal())
        for name in ("ee", "dec", "fst"):
            assert vars(found)[name][place] == pytest.approx(getattr(theirs, name), rel=1e-9)


def test_a_sample_holds_whole_customers_only():
    log = visitors(500, every=20, until=300)

    sample = log.sampled(100)

    assert 50 < len(sample.counts) <= 100
    for customer in sample.ids[sample.firsts]:
        assert (sample.ids == customer).sum() == (log.ids == customer).sum()


# --- maximum likelihood --------------------------------------------------------------------------


def test_the_published_fit_of_the_record_shop_is_reproduced(shared: Path):
    """Fader, Hardie & Lee 2005, Marketing Science 24(2) 275-284: 39 weeks, in weeks."""
    folder = shared / "data" / "drift"
    sample = set((folder / "cdnow_sample_ids.csv").read_text(encoding="utf-8").split())
    begin, rows = date(1997, 1, 1), []
    with gzip.open(folder / "cdnow_master.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            day = (date.fromisoformat(row["ts"]) - begin).days
            if row["customer_id"] in sample and day < 39 * 7:
                rows.append((int(row["customer_id"]), day))
    log = EventDays.of(rows)
    weeks = EventDays(log.ids, log.days / 7)

    evidence = Evidence.of(weeks, 272 / 7, rho=1.0, leaves_after_first=False)
    found = maximise(evidence, (1.0, 1.0, 1.0, 1.0))

    assert found.parameters == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=2e-3)
    assert found.log_likelihood == pytest.approx(-9582.4, abs=0.05)


@given(
    log=logs,
    rho=st.sampled_from(RHOS),
    spared=st.booleans(),
    parameters=st.tuples(*[st.floats(0.1, 10)] * 4),
)
def test_the_slopes_are_those_of_the_likelihood(
    log: list[tuple[int, int]], rho: float, spared: bool, parameters: tuple[float, ...]
):
    evidence = Evidence.of(EventDays.of(log), 21_000, rho, leaves_after_first=not spared)
    _, slopes = evidence.log_likelihood(parameters)  # type: ignore[arg-type]  # four of them

    for place, slope in enumerate(slopes):
        step = np.zeros(4)
        step[place] = 1e-5
        above, _ = evidence.log_likelihood(tuple(parameters + step))
        below, _ = evidence.log_likelihood(tuple(parameters - step))
        assert slope == pytest.approx((above - below) / 2e-5, rel=1e-3, abs=1e-2)


def test_too_few_who_returned_teach_only_the_scale():
    few = visitors(150, every=20, until=300)

    found = fit_priors(few, 300, clock="goal", horizon_days=90)

    assert (found.sample, found.r, found.rho) == (0, 0.4, 0.8)
    assert found.alpha == pytest.approx(0.6 * np.median(few.gaps))


def test_enough_of_them_teach_everything_and_only_what_lies_before():
    many = visitors(600, every=20, until=400)

    found = fit_priors(many, 300, clock="goal", horizon_days=90)

    assert found.sample > 400
    assert found == fit_priors(many.before(300), 300, clock="goal", horizon_days=90)


def test_another_discount_must_explain_the_log_a_good_deal_better():
    steady = visitors(600, every=20, until=400)
    settled = fit_priors(steady, 400, clock="goal", horizon_days=90)

    kept = fit_priors(steady, 400, clock="goal", horizon_days=90, now=replace(settled, rho=0.95))
    moved = fit_priors(steady, 400, clock="goal", horizon_days=90, now=replace(settled, rho=0.5))

    assert (settled.rho, kept.rho) == (1.0, 0.95)
    assert moved.rho == 0.6  # a step a night


def test_parameters_in_force_stay_while_they_explain_the_log_as_well():
    steady = visitors(600, every=20, until=400)
    settled = fit_priors(steady, 400, clock="goal", horizon_days=90)

    almost = replace(settled, r=settled.r * 1.01)
    mistaken = replace(settled, r=settled.r * 3)

    assert fit_priors(steady, 400, clock="goal", horizon_days=90, now=almost) == almost
    found = fit_priors(steady, 400, clock="goal", horizon_days=90, now=mistaken)
    assert (found.r, found.alpha) == pytest.approx((settled.r, settled.alpha), rel=0.05)


# --- the correction of the risk ------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop() -> Clock:
    log = visitors(1_500, every=25, until=500)
    return Clock(log, fit_priors(log, 500, clock="goal", horizon_days=60))


def test_what_came_of_past_silences_corrects_a_mistaken_model(shop: Clock):
    mistaken = replace(shop, priors=replace(shop.priors, a=5 * shop.priors.a))

    found = recalibrate(mistaken, 440)

    rhythms, inputs = inputs_at(mistaken, 440, 60)
    lasted = ~np.isin(rhythms.ids, shop.days.within(440, 500))
    plain = corrected_risks(AS_IT_IS, inputs).mean() - lasted.mean()
    assert found.sample > 1_000
    assert abs(corrected_risks(found, inputs).mean() - lasted.mean()) < 0.05 < plain


def test_the_corrected_risk_never_falls_during_silence(shop: Clock):
    found = recalibrate(shop, 440)

    day_by_day = [
        corrected_risks(found, inputs_at(shop, day, 60)[1]) for day in (500, 501, 510, 600)
    ]

    for before, after in pairwise(day_by_day):
        assert (after >= before - 1e-12).all()


def test_too_few_silences_correct_nothing(shop: Clock):
    few = replace(shop, days=shop.days.sampled(140))

    assert recalibrate(few, 440) == AS_IT_IS


def test_a_correction_that_was_wrong_of_late_is_not_used(shop: Clock):
    gone = replace(shop, days=shop.days.before(380))  # everybody stopped two months before the end

    found = recalibrate(gone, 440)

    assert abs(found.off_by) > 0.10
    assert replace(found, off_by=0.0) == AS_IT_IS


def test_the_other_clock_helps_where_it_knows_more(shop: Clock):
    other = Clock(visitors(1_500, every=5, until=500, seed=2), replace(shop.priors, clock="any"))

    found = recalibrate(shop, 440, other)

    assert found.other >= 0
    assert inputs_at(shop, 440, 60, other)[1].shape[1] == inputs_at(shop, 440, 60)[1].shape[1]


def test_without_a_correction_the_risk_is_what_the_model_says(shop: Clock):
    rhythms, inputs = inputs_at(shop, 440, 60)

    assert corrected_risks(AS_IT_IS, inputs)[0] == pytest.approx(1 / (1 + np.exp(-inputs[0, 0])))
    assert len(rhythms.ids) == len(inputs)


# --- any log -------------------------------------------------------------------------------------


def test_a_log_is_scored_by_what_lies_strictly_before_the_day():
    def came(who: str, times: int) -> list[LoggedEvent]:
        return [LoggedEvent(who, FIRST + timedelta(days=7 * n), "store") for n in range(times)]

    then = FIRST + timedelta(days=140)
    ignored = [
        LoggedEvent("gone", FIRST + timedelta(days=130), "mail"),
        LoggedEvent("later", then, "store"),
    ]

    found = score_log(
        [*came("regular", 20), *came("gone", 5), *ignored],
        own={"store"}, as_of=then, horizon_days=28,
    )  # fmt: skip

    chance = {score.customer_id: score.chance for score in found.scores}
    assert set(chance) == {"regular", "gone"}
    assert chance["regular"] < 0.2 < 0.8 < chance["gone"]


def test_an_empty_log_has_no_scores():
    found = score_log([], own=None, as_of=FIRST, horizon_days=28)

    assert found.scores == []
    assert found.priors == default_priors("any", (), horizon_days=28)


def test_the_lapse_limit_of_counted_gaps_is_that_of_the_gaps():
    gaps = [float(1 + n % 37 * n % 91) for n in range(400)]

    assert lapse_limit_of(Counter(map(int, gaps))) == lapse_limit(gaps)
    assert lapse_limit_of({}) == lapse_limit([])
