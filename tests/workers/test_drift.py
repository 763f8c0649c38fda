"""Drift as kept in the database against drift as defined, whatever happens in whatever order."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from math import isclose
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, func, insert, select

from segments.days import day_begins, day_of, published_at
from segments.drift.correction import Recalibration
from segments.drift.log import EventDays
from segments.drift.model import Posterior
from segments.drift.priors import Priors
from segments.drift.recalibration import Clock, corrected_risks, inputs_at
from segments.drift.states import COOLING, DORMANT, DRIFTING, DriftState
from segments.lexicon import Lexicon
from store.drift import insert_priors
from store.session import Store
from store.tables import customers, drift_priors, drift_states, pending_changes
from tests.conftest import MONDAY
from tests.segments.drift_oracle import fold, state_of
from tests.segments.history import History
from workers.drift import (
    StoredPriors,
    priors_at,
    publish_priors,
    refresh_drift,
)
from workers.drift_learning import sample_days

ZONE = ZoneInfo("Europe/Berlin")
STEADY = ZoneInfo("Asia/Riyadh")  # where all days are equally long
LEXICONS = {
    zone: Lexicon(frozenset({"web", "store"}), ("order.completed",), zone, {})
    for zone in (ZONE, STEADY)
}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGIN = MONDAY - 400 * DAY
CUSTOMERS = (1, 2, 3)
CORRECTION = Recalibration(0.2, 0.8, 0.3, -0.4, 0.25, 0.15, sample=1_000)
few = settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Act:
    """Something a customer did; `known_at` is when we heard of it."""

    customer: int
    occurred_at: datetime
    known_at: datetime
    channel: str  # store: an order, winds both clocks; web: a visit, winds `any`; mail: neither

    def winds(self, clock: str) -> bool:
        return self.channel == "store" or (clock == "any" and self.channel == "web")


hours = st.integers(0, 400 * 24).map(lambda n: BEGIN + n * HOUR)
delays = st.sampled_from([0, 0, 0, 1, 30, 24 * 40]).map(lambda n: n * HOUR)
ahead = st.sampled_from([0, 0, 0, 24 * 9]).map(lambda n: n * HOUR)
acts = st.builds(
    lambda customer, at, delay, ahead, channel: Act(customer, at + ahead, at + delay, channel),
    st.sampled_from(CUSTOMERS),
    hours,
    delays,
    ahead,
    st.sampled_from(["store", "store", "web", "mail"]),
)
histories = st.lists(acts, max_size=25)
looks = st.lists(hours, min_size=1, max_size=4, unique=True).map(sorted)
priors = st.builds(
    Priors,
    clock=st.just("goal"),
    r=st.floats(0.05, 5),
    alpha=st.floats(0.5, 200),
    a=st.floats(0.05, 5),
    b=st.floats(0.05, 5),
    rho=st.sampled_from((1.0, 0.95, 0.8, 0.5)),
    lapse_days=st.floats(30, 730),
    horizon_days=st.just(90.0),
)


@dataclass
class Keeper:
    """Tells the database what happened as it becomes known, and refreshes."""

    tx: Connection
    history: History
    learned: dict[str, StoredPriors]
    zone: ZoneInfo = ZONE

    def learn(self, found: Priors, now: datetime) -> None:
        for clock in ("goal", "any"):
            mine = replace(found, clock=clock)
            number = insert_priors(self.tx, asdict(mine), now)
            correction = replace(CORRECTION, other=CORRECTION.other if clock == "goal" else 0.0)
            self.learned[clock] = StoredPriors(number, now, mine, correction, now)

    def hear(self, told: Sequence[Act]) -> None:
        for act in told:
            name = {"store": "order.completed"}.get(act.channel, "page.viewed")
            at = max(act.known_at, BEGIN)
            number = self.history.event(
                act.customer, act.occurred_at, name, channel=act.channel, known_at=at
            )
            change = {"customer_id": act.customer, "event_id": number, "is_evaluated": False}
            self.tx.execute(insert(pending_changes), [change])

    def refresh(self, now: datetime) -> None:
        refresh_drift(self.tx, CUSTOMERS, now, LEXICONS[self.zone], self.learned)
        self.tx.execute(delete(pending_changes))

    def kept(self, clock: str) -> dict[int, DriftState]:
        rows = self.tx.execute(select(drift_states).where(drift_states.c.clock == clock))
        return {row.customer_id: DriftState.read(row) for row in rows}


@pytest.fixture
def keepers(store: Store) -> Iterator[object]:
    """Makes one afresh; what the one before did is gone."""
    with store.begin() as tx:
        rehearsal = [tx.begin_nested()]

        def make() -> Keeper:
            rehearsal.pop().rollback()
            rehearsal.append(tx.begin_nested())
            history = History(tx)
            for customer in CUSTOMERS:
                history.customer(customer)
            return Keeper(tx, history, {})

        yield make
        rehearsal.pop().rollback()


def days_known(
    told: Sequence[Act], clock: str, now: datetime, zone: ZoneInfo = ZONE
) -> dict[int, set[date]]:
    """What an evaluation at `now` may see: the event days of each customer."""
    found: dict[int, set[date]] = {}
    for act in told:
        if act.winds(clock) and act.occurred_at <= now and act.known_at <= now:
            found.setdefault(act.customer, set()).add(day_of(act.occurred_at, zone))
    return found


def is_as_defined(kept: DriftState, days: set[date], found: Priors) -> None:
    expected = state_of(days, found, ZONE)
    assert (kept.n, kept.first_at, kept.last_at) == (
        expected.n,
        expected.first_at,
        expected.last_at,
    )
    assert isclose(kept.ee, expected.ee, rel_tol=1e-9, abs_tol=1e-9)
    posterior = Posterior.of(float(kept.n), kept.ee, found, found.horizon_days)
    for name, at in vars(kept.crossings).items():
        assert abs(at - getattr(expected.crossings, name)) <= timedelta(milliseconds=1)
    for level, at in (
        (COOLING, kept.crossings.cooling_at),
        (DRIFTING, kept.crossings.drifting_at),
        (DORMANT, kept.crossings.dormant_at),
    ):
        silence = (at - kept.last_at) / DAY
        if level != COOLING and 0 < silence < found.lapse_days - 1e-6:
            assert abs(posterior.stays(silence) - level) <= 1e-6


@few
@given(told=histories, at=looks, found=priors, later=priors)
def test_what_is_kept_step_by_step_is_what_the_whole_log_says(
    keepers, told: list[Act], at: list[datetime], found: Priors, later: Priors
):
    keeper = keepers()
    keeper.learn(found, BEGIN)
    heard = BEGIN - DAY
    for place, now in enumerate(at):
        if place == 2:
            found = later
            keeper.learn(found, now)
        keeper.hear([act for act in told if heard < act.known_at <= now])
        heard = now
        keeper.refresh(now)

        for clock in ("goal", "any"):
            expected = days_known(told, clock, now)
            kept = keeper.kept(clock)
            assert set(kept) == set(expected)
            for customer, days in expected.items():
                is_as_defined(kept[customer], days, found)


@few
@given(told=histories, at=looks, found=priors)
def test_the_risk_is_that_of_the_last_publication(
    keepers, told: list[Act], at: list[datetime], found: Priors
):
    keeper = keepers()
    keeper.zone = STEADY
    keeper.learn(found, BEGIN)
    now = at[-1]
    known = [act for act in told if act.known_at <= now]
    keeper.hear(known)
    keeper.refresh(now)

    then = published_at(now, STEADY)
    day = day_of(then, STEADY)
    moment = day.toordinal() + (then - day_begins(day, STEADY)) / DAY
    clocks = [
        Clock(log_of(known, clock, then), replace(found, clock=clock)) for clock in ("goal", "any")
    ]
    rhythms, inputs = inputs_at(clocks[0], moment, 90.0, clocks[1])
    expected = dict(
        zip(rhythms.ids.tolist(), corrected_risks(CORRECTION, inputs).tolist(), strict=True)
    )
    for customer, kept in keeper.kept("goal").items():
        assert (kept.risk is None) == (customer not in expected)
        if kept.risk is not None:
            assert kept.risk == pytest.approx(expected[customer], rel=1e-6)


def log_of(told: Sequence[Act], clock: str, then: datetime) -> EventDays:
    known = days_known(told, clock, then, STEADY)
    return EventDays.of(
        (customer, day.toordinal()) for customer, days in known.items() for day in days
    )


def test_an_event_on_a_counted_day_changes_nothing(keepers):
    keeper = keepers()
    keeper.learn(Priors("goal", 0.4, 18.0, 0.6, 1.4, 0.8, 365.0, 90.0), BEGIN)
    keeper.hear([Act(1, BEGIN + 9 * HOUR, BEGIN + 9 * HOUR, "store")])
    keeper.refresh(BEGIN + 10 * HOUR)
    before = keeper.kept("goal")

    keeper.hear([Act(1, BEGIN + 11 * HOUR, BEGIN + 11 * HOUR, "store")])
    keeper.refresh(BEGIN + 12 * HOUR)

    assert keeper.kept("goal") == before


def test_two_thousand_days_do_not_leave_the_range_of_numbers(keepers):
    keeper = keepers()
    daily = Priors("goal", 0.05, 0.01, 0.001, 1000.0, 0.5, 30.0, 90.0)
    keeper.learn(daily, BEGIN)
    told = [Act(1, at, at, "store") for at in (BEGIN + n * DAY for n in range(2_000))]
    keeper.hear(told)

    keeper.refresh(BEGIN + 2_000 * DAY)

    kept = keeper.kept("goal")[1]
    rhythm = fold([day_of(act.occurred_at, ZONE) for act in told], daily.pace)
    assert (kept.n, kept.ee) == (2_000, pytest.approx(rhythm.ee))
    assert kept.last_at <= kept.crossings.cooling_at <= kept.crossings.lost_at
    assert np.isfinite(kept.ee)


# --- what is learned, and when -------------------------------------------------------------------


def versions(keeper: Keeper, days: range) -> int:
    """How many times the goal clock was learned when looked at on each of these days."""
    lexicon = LEXICONS[STEADY]
    for day in days:
        publish_priors(keeper.tx, lexicon, MONDAY + day * DAY)
        publish_priors(keeper.tx, lexicon, MONDAY + day * DAY + 5 * HOUR)
    query = select(func.count()).where(drift_priors.c.clock == "goal")
    return keeper.tx.execute(query).scalar_one()


def test_parameters_are_learned_daily_for_a_month_and_weekly_later(keepers):
    keeper = keepers()

    assert versions(keeper, range(30)) == 30
    assert versions(keeper, range(30, 30 + 28)) == 30 + 1 + 3


def test_who_is_counted_by_another_goal_is_counted_anew(keepers):
    keeper = keepers()
    keeper.hear([Act(1, BEGIN + n * DAY, BEGIN + n * DAY, "store") for n in range(5)])
    keeper.hear([Act(2, BEGIN + 3 * DAY, BEGIN + 3 * DAY, "web")])
    now = BEGIN + 6 * DAY
    for goal in ("order.completed", "page.viewed"):
        lexicon = Lexicon(frozenset({"web", "store"}), (goal,), STEADY, {})
        publish_priors(keeper.tx, lexicon, now)
        refresh_drift(keeper.tx, CUSTOMERS, now, lexicon, priors_at(keeper.tx, now))

    assert {id_: kept.n for id_, kept in keeper.kept("goal").items()} == {2: 1}


def test_few_who_ever_came_are_found_among_many(keepers):
    keeper = keepers()
    crowd = [{"id": n, "external_id": str(n), "known_at": BEGIN} for n in range(4, 20_000)]
    keeper.tx.execute(insert(customers), crowd)
    keeper.hear([Act(customer, BEGIN, BEGIN, "store") for customer in CUSTOMERS])

    found = sample_days(keeper.tx, LEXICONS[STEADY], "goal", MONDAY)

    assert found.everybody == list(CUSTOMERS)
