"""The drift method: its formulas against each other, its states, and its risk in SQL."""

from datetime import UTC, date, datetime, timedelta
from math import isclose
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from segments.days import day_begins
from segments.drift.activity import event_days
from segments.drift.model import Posterior
from segments.drift.priors import Priors, default_priors, gaps_between, lapse_limit
from segments.drift.risk import risk_at
from segments.drift.states import COOLING, DORMANT, DRIFTING, crossings, figures, stored_state
from segments.drift.statistics import Pace, Statistics, fold
from segments.instants import instant
from store.tables import drift_priors, drift_states
from tests.segments.history import DAY, TICK, History

UTC_ZONE = ZoneInfo("UTC")
FIRST = date(2025, 1, 6)
PRIORS = default_priors("goal", [20.0, 30.0, 40.0, 200.0])

days_of_history = st.lists(
    st.integers(0, 900).map(lambda n: FIRST + timedelta(days=n)), min_size=1, max_size=30
)
shares = st.floats(0.05, 1.0)
any_priors = st.builds(
    Priors,
    clock=st.just("goal"),
    r=st.floats(0.05, 5),
    alpha=st.floats(0.5, 200),
    a=st.floats(0.05, 5),
    b=st.floats(0.05, 5),
    rho=st.sampled_from((1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)),
    lapse_days=st.floats(30, 730),
    horizon_days=st.floats(7, 365),
)


def monthly(times: int) -> Statistics:
    found = fold([FIRST + timedelta(days=30 * n) for n in range(times)], PRIORS.pace)
    assert found is not None
    return found


# --- statistics ----------------------------------------------------------------------------------


def test_statistics_are_those_of_their_definition():
    rho, horizon = 0.8, 90.0
    found = fold([FIRST, FIRST + 10 * DAY, FIRST + 40 * DAY], Pace(rho, horizon))

    assert found is not None
    assert (found.n, found.first_on, found.last_on) == (3, FIRST, FIRST + 40 * DAY)
    assert isclose(found.ee, rho * 10 + 30)
    assert isclose(found.dec, 1 + 2 ** (-30 / horizon) + 2 ** (-40 / horizon))
    assert isclose(found.fst, 1 + 2 ** (-3 * 30 / horizon) + 2 ** (-3 * 40 / horizon))


@given(days=days_of_history, rho=shares, horizon=st.floats(7, 365))
def test_folding_day_by_day_equals_the_sums_over_the_whole_log(
    days: list[date], rho: float, horizon: float
):
    found = fold(days, Pace(rho, horizon))
    ordered = sorted(set(days))
    gaps = gaps_between(ordered)
    ages = [(ordered[-1] - day).days for day in ordered]

    assert found is not None
    assert found.n == len(ordered)
    assert isclose(
        found.ee, sum(rho ** (len(gaps) - 1 - j) * gap for j, gap in enumerate(gaps)), rel_tol=1e-9
    )
    assert isclose(found.dec, sum(2 ** (-age / horizon) for age in ages), rel_tol=1e-9)
    assert isclose(found.fst, sum(2 ** (-3 * age / horizon) for age in ages), rel_tol=1e-9)


def test_a_second_event_on_a_day_changes_nothing_and_a_late_one_needs_a_rebuild():
    once = Statistics.started(FIRST)

    assert once.after(FIRST, PRIORS.pace) is once
    with pytest.raises(ValueError, match="rebuild"):
        once.after(FIRST - DAY, PRIORS.pace)


def test_days_are_those_of_the_brand():
    zone = ZoneInfo("Asia/Riyadh")
    late = datetime(2026, 3, 1, 20, 59, tzinfo=UTC)
    times = [
        (1, late),
        (1, late + timedelta(minutes=1)),
        (1, late + timedelta(hours=20)),
        (2, late),
    ]

    found = dict(event_days(times, zone))

    assert found == {1: [date(2026, 3, 1), date(2026, 3, 2)], 2: [date(2026, 3, 1)]}


# --- the model -----------------------------------------------------------------------------------


@given(days=days_of_history, priors=any_priors, level=st.sampled_from((COOLING, DRIFTING, DORMANT)))
def test_at_a_crossing_the_chance_has_just_reached_its_level(
    days: list[date], priors: Priors, level: float
):
    statistics = fold(days, priors.pace)
    assert statistics is not None
    posterior = Posterior.of(statistics, priors)
    silence = posterior.crossing(level)
    assume(0 < silence < priors.lapse_days)

    assert isclose(posterior.stays(silence), level, abs_tol=1e-6)


@given(days=days_of_history, priors=any_priors)
def test_crossings_come_in_order_and_never_after_the_loss(days: list[date], priors: Priors):
    statistics = fold(days, priors.pace)
    assert statistics is not None
    last_at = day_begins(statistics.last_on, UTC_ZONE)

    turns = crossings(Posterior.of(statistics, priors), last_at)

    assert last_at <= turns.cooling_at <= turns.drifting_at <= turns.dormant_at <= turns.lost_at
    assert turns.lost_at == last_at + priors.lapse_days * DAY


@given(days=days_of_history, priors=any_priors, silence=st.floats(0, 700), more=st.floats(0.1, 50))
def test_silence_never_lowers_what_is_feared(
    days: list[date], priors: Priors, silence: float, more: float
):
    statistics = fold(days, priors.pace)
    assert statistics is not None
    posterior = Posterior.of(statistics, priors)

    for feared in (posterior.gone, posterior.stays, posterior.inactive):
        assert 0 <= feared(silence) <= feared(silence + more) + 1e-12 <= 1 + 1e-9


def test_without_discount_the_usual_gap_is_that_of_all_gaps():
    priors = Priors("goal", 0.4, 18.0, 0.6, 1.4, 1.0, 365.0, 90.0)
    statistics = fold([FIRST, FIRST + 10 * DAY, FIRST + 40 * DAY], priors.pace)
    assert statistics is not None

    found = figures(statistics, priors, datetime(2025, 3, 1, tzinfo=UTC), UTC_ZONE)

    assert found.usual_days is not None
    assert found.lately_days is not None
    assert isclose(found.usual_days, found.lately_days)
    assert isclose(found.usual_days, (18 + 40) * (2 ** (1 / 2.4) - 1))


# --- priors --------------------------------------------------------------------------------------


def test_default_priors_follow_the_median_gap():
    assert PRIORS.alpha == 0.6 * 35
    assert (PRIORS.r, PRIORS.a, PRIORS.b, PRIORS.rho, PRIORS.sample) == (0.4, 0.6, 1.4, 0.8, 0)


def test_the_lapse_limit_stays_within_reason():
    assert lapse_limit([1.0] * 50) == 30
    assert lapse_limit([2_000.0] * 50) == 730
    assert isclose(lapse_limit([float(n) for n in range(101)]), 98)


# --- states --------------------------------------------------------------------------------------


def test_a_regular_cools_drifts_sleeps_and_is_lost_each_at_its_own_instant():
    statistics = monthly(8)
    turns = crossings(Posterior.of(statistics, PRIORS), day_begins(statistics.last_on, UTC_ZONE))

    for state, at in vars(turns).items():
        name = state.removesuffix("_at")
        assert figures(statistics, PRIORS, at, UTC_ZONE).state == name
        assert figures(statistics, PRIORS, at - TICK, UTC_ZONE).state != name
        ahead = figures(statistics, PRIORS, at - TICK, UTC_ZONE)
        assert (ahead.next_state, ahead.next_state_at) == (name, at)


def test_somebody_seen_twice_is_new_until_lost():
    statistics = monthly(2)
    lost_at = day_begins(statistics.last_on, UTC_ZONE) + PRIORS.lapse_days * DAY

    assert figures(statistics, PRIORS, lost_at - TICK, UTC_ZONE).is_new
    lost = figures(statistics, PRIORS, lost_at, UTC_ZONE)
    assert (lost.is_new, lost.state, lost.next_state, lost.stays) == (False, "lost", None, 1.0)


def test_a_first_purchase_has_no_cadence_yet():
    found = figures(monthly(1), PRIORS, datetime(2025, 1, 20, tzinfo=UTC), UTC_ZONE)

    assert (found.usual_days, found.lately_days) == (None, None)


# --- conditions over stored states ---------------------------------------------------------------


def drifting(history: History, statistics: Statistics) -> dict[str, datetime]:
    history.customer(1)
    known = {"id": 1, "known_at": datetime(2025, 1, 1, tzinfo=UTC)}
    history.tx.execute(insert(drift_priors), [{**vars(PRIORS), **known}])
    state = stored_state(1, statistics, PRIORS, 1, UTC_ZONE)
    history.tx.execute(insert(drift_states), [state])
    return {name: at for name, at in state.items() if name.endswith("_at")}


def test_a_drift_condition_turns_exactly_at_its_stored_crossing(history: History):
    turns = drifting(history, monthly(8))
    drifts = {"drift": "drifting"}
    at = turns["drifting_at"]

    assert history.of(drifts, 1, at - TICK) == (False, at)
    assert history.of(drifts, 1, at) == (True, None)
    assert history.of(drifts, 1, turns["lost_at"]) == (True, None)
    assert history.of(drifts | {"exactly": True}, 1, at) == (True, turns["dormant_at"])
    assert history.of({"drift": "active"}, 1, turns["last_at"]) == (True, turns["cooling_at"])
    assert history.of({"drift": "new"}, 1, at) == (False, None)


def test_an_own_event_yet_to_come_is_a_check(history: History):
    turns = drifting(history, monthly(8))
    soon = turns["last_at"] + DAY
    history.event(1, soon)

    assert history.of({"drift": "drifting"}, 1, turns["last_at"]) == (False, soon)
    assert history.of({"drift": "drifting", "clock": "any"}, 1, turns["last_at"]) == (False, soon)


def test_risk_is_a_daily_figure_and_the_same_in_sql(history: History):
    statistics = monthly(8)
    turns = drifting(history, statistics)
    at = turns["last_at"] + 100 * DAY + timedelta(hours=5)
    midnight = turns["last_at"] + 100 * DAY
    exact = figures(statistics, PRIORS, midnight, UTC_ZONE).risk

    joined = select(risk_at(instant(midnight))).join(
        drift_priors, drift_priors.c.id == drift_states.c.priors_id
    )

    assert isclose(history.tx.execute(joined).scalar_one(), exact, rel_tol=1e-9)
    above = {"drift": "active", "risk": {"at_least": round(exact, 6) + 1e-6}}
    below = {"drift": "cooling", "risk": {"at_least": round(exact, 6) - 1e-6}}
    assert history.of(above, 1, at)[0] is False
    assert history.of(below, 1, at) == (True, None)
