"""The drift method: its formulas against each other, its states, and conditions over them."""

from datetime import UTC, date, datetime, timedelta
from math import isclose
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import insert

from segments.drift.priors import Pace, Priors, default_priors, lapse_limit
from segments.drift.states import COOLING, DORMANT, DRIFTING, DriftState, figures
from store.tables import drift_priors, drift_states
from tests.segments.drift_oracle import crossing, fold, gaps_between, state_of
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


def monthly(times: int) -> DriftState:
    return state_of([FIRST + timedelta(days=30 * n) for n in range(times)], PRIORS, UTC_ZONE)


# --- the oracle ----------------------------------------------------------------------------------


@given(days=days_of_history, rho=shares, horizon=st.floats(7, 365))
def test_folding_day_by_day_equals_the_sums_over_the_whole_log(
    days: list[date], rho: float, horizon: float
):
    found = fold(days, Pace(rho, horizon))
    ordered = sorted(set(days))
    gaps = gaps_between(ordered)
    ages = [(ordered[-1] - day).days for day in ordered]

    assert found.n == len(ordered)
    assert isclose(
        found.ee, sum(rho ** (len(gaps) - 1 - j) * gap for j, gap in enumerate(gaps)), rel_tol=1e-9
    )
    assert isclose(found.dec, sum(2 ** (-age / horizon) for age in ages), rel_tol=1e-9)
    assert isclose(found.fst, sum(2 ** (-3 * age / horizon) for age in ages), rel_tol=1e-9)


# --- the model -----------------------------------------------------------------------------------


@given(days=days_of_history, priors=any_priors, level=st.sampled_from((COOLING, DRIFTING, DORMANT)))
def test_at_a_crossing_the_chance_has_just_reached_its_level(
    days: list[date], priors: Priors, level: float
):
    posterior = fold(days, priors.pace).posterior(priors)
    silence = crossing(posterior, level)
    assume(0 < silence < priors.lapse_days)

    assert isclose(posterior.stays(silence), level, abs_tol=1e-6)


@given(days=days_of_history, priors=any_priors, silence=st.floats(0, 700), more=st.floats(0.1, 50))
def test_silence_never_lowers_what_is_feared(
    days: list[date], priors: Priors, silence: float, more: float
):
    posterior = fold(days, priors.pace).posterior(priors)

    for feared in (posterior.stays, posterior.inactive):
        assert 0 <= feared(silence) <= feared(silence + more) + 1e-12 <= 1 + 1e-9


def test_without_discount_the_usual_gap_is_that_of_all_gaps():
    priors = Priors("goal", 0.4, 18.0, 0.6, 1.4, 1.0, 365.0, 90.0)
    state = state_of([FIRST, FIRST + 10 * DAY, FIRST + 40 * DAY], priors, UTC_ZONE)

    found = figures(state, priors, datetime(2025, 3, 1, tzinfo=UTC), UTC_ZONE)

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
    state = monthly(8)

    for name, at in vars(state.crossings).items():
        reached = name.removesuffix("_at")
        assert figures(state, PRIORS, at, UTC_ZONE).state == reached
        assert figures(state, PRIORS, at - TICK, UTC_ZONE).state != reached
        ahead = figures(state, PRIORS, at - TICK, UTC_ZONE)
        assert (ahead.next_state, ahead.next_state_at) == (reached, at)


def test_somebody_seen_twice_is_new_until_lost():
    state = monthly(2)
    lost_at = state.last_at + PRIORS.lapse_days * DAY

    assert figures(state, PRIORS, lost_at - TICK, UTC_ZONE).is_new
    lost = figures(state, PRIORS, lost_at, UTC_ZONE)
    assert (lost.is_new, lost.state, lost.next_state, lost.stays) == (False, "lost", None, 1.0)


def test_a_first_purchase_has_no_cadence_yet():
    found = figures(monthly(1), PRIORS, datetime(2025, 1, 20, tzinfo=UTC), UTC_ZONE)

    assert (found.usual_days, found.lately_days) == (None, None)


# --- conditions over stored states ---------------------------------------------------------------


def drifting(history: History, state: DriftState, risk: float | None = None) -> DriftState:
    """Kept of customer 1."""
    history.customer(1)
    known = {"id": 1, "known_at": datetime(2025, 1, 1, tzinfo=UTC)}
    history.tx.execute(insert(drift_priors), [{**vars(PRIORS), **known}])
    kept = {"clock": "goal", "customer_id": 1, "priors_id": 1, "dec": 1.0, "fst": 1.0}
    times = {"wound_at": state.last_at, "day_over_at": state.last_at + DAY}
    statistics = {name: getattr(state, name) for name in ("n", "ee", "first_at", "last_at")}
    row = {**kept, **times, **statistics, **vars(state.crossings), "risk": risk}
    history.tx.execute(insert(drift_states), [row])
    return state


def test_a_drift_condition_turns_exactly_at_its_stored_crossing(history: History):
    state = drifting(history, monthly(8))
    drifts, turns = {"drift": "drifting"}, state.crossings
    at = turns.drifting_at

    assert history.of(drifts, 1, at - TICK) == (False, at)
    assert history.of(drifts, 1, at) == (True, None)
    assert history.of(drifts, 1, turns.lost_at) == (True, None)
    assert history.of(drifts | {"exactly": True}, 1, at) == (True, turns.dormant_at)
    assert history.of({"drift": "active"}, 1, state.last_at) == (True, turns.cooling_at)
    assert history.of({"drift": "new"}, 1, at) == (False, None)


def test_an_own_event_yet_to_come_is_a_check(history: History):
    state = drifting(history, monthly(8))
    soon = state.last_at + DAY
    history.event(1, soon)

    assert history.of({"drift": "drifting"}, 1, state.last_at) == (False, soon)
    assert history.of({"drift": "drifting", "clock": "any"}, 1, state.last_at) == (False, soon)


def test_a_risk_is_compared_as_published(history: History):
    state = drifting(history, monthly(8), risk=0.8)
    at = state.crossings.lost_at

    assert history.of({"drift": "cooling", "risk": {"at_least": 0.8}}, 1, at) == (True, None)
    assert history.of({"drift": "cooling", "risk": {"more_than": 0.8}}, 1, at) == (False, None)


def test_a_crossing_is_no_check_for_whom_the_risk_of_the_day_leaves_out(history: History):
    state = drifting(history, monthly(8), risk=0.2)
    before = state.crossings.drifting_at - TICK

    assert history.of({"drift": "drifting", "risk": {"at_least": 0.8}}, 1, before) == (False, None)
    assert history.of({"drift": "drifting", "risk": {"at_most": 0.2}}, 1, before) == (
        False,
        state.crossings.drifting_at,
    )


def test_whose_risk_is_not_published_yet_is_at_none(history: History):
    state = drifting(history, monthly(8))
    risky = {"drift": "lost", "risk": {"at_most": 1}}

    assert history.of(risky, 1, state.crossings.lost_at)[0] is False
    assert history.of({"not": risky}, 1, state.crossings.lost_at)[0] is True
