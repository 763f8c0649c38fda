"""What refreshes keep, against what the oracle says of everything that came in so far."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import isclose
from typing import Any, cast

from sqlalchemy import Connection

from rekindle.looking import looking
from segments.conditions.drift import Drift
from segments.days import day_begins, day_of, published_at
from segments.definition import Condition, walk
from segments.drift.priors import Priors
from store.customers import external_ids_of
from store.drift import CLOCKS, load_states
from store.memberships import load_memberships
from store.records import CustomerId, Membership
from tests.segments.drift_oracle import fold, state_of
from tests.segments.oracle import DAY, Act, Rhythm, World, holds, is_goal, is_own
from tests.segments.test_oracle import TICK, turning_points
from tests.segments.walking import Walk
from workers.asking import Refused, evaluate_together
from workers.drift import priors_at, refresh_drift


@dataclass
class Judge:
    """Looks at what is kept after each step, and remembers it."""

    kept: Walk
    rules: Mapping[str, Condition]
    members: dict[datetime, dict[str, list[str]]] = field(default_factory=dict)
    published_at: datetime | None = None

    @property
    def asks_drift(self) -> bool:
        asked = (one for rule in self.rules.values() for _, one in walk(rule))
        return any(isinstance(one, Drift) for one in asked)

    @property
    def everybody(self) -> Collection[CustomerId]:
        """As a pass names them: all from the first to the last, who merged away had the next id."""
        ids = self.kept.ids.values()
        return cast(Collection[CustomerId], range(min(ids), max(ids) + 2))

    def compare(self, at: datetime, *, is_afresh: bool = False) -> None:
        """What was kept with what is true; and with what is found afresh, which takes longer."""
        world = self.world(at)
        self.members[at] = {}
        for name, rule in self.rules.items():
            ids = self.kept.ids
            true = {id_ for c, id_ in ids.items() if holds(world, rule, c, at)}
            stored = self._stored(name)
            members = {id_ for id_, one in stored.items() if one.is_member}
            assert members == true, f"{name} as kept, at {at}"
            checks = [one.next_check_at for one in stored.values() if one.next_check_at]
            assert all(check > at for check in checks), f"a look at {at} moved no check on"
            self.members[at][name] = sorted(external_ids_of(self.kept.tx, members).values())
            if is_afresh:
                assert self._afresh(name, at) == true, f"{name} afresh, at {at}"

    def compare_checks(self, at: datetime) -> None:
        """None is later than the first instant at which time alone changes what holds."""
        world = self.world(at).arrived(at)
        for name, rule in self.rules.items():
            stored = self._stored(name)
            later = [t for t in turning_points(world, rule) if at < t < self._foreseen(world, at)]
            for customer, id_ in self.kept.ids.items():
                now = holds(world, rule, customer, at)
                change = next((t for t in later if holds(world, rule, customer, t) != now), None)
                if change is not None:
                    check = stored[id_].next_check_at if id_ in stored else None
                    assert check is not None, f"{name}, {customer} at {at}: turns at {change}"
                    assert check <= change, f"{name}, {customer} at {at}"

    def look_back(self, at: datetime) -> None:
        """A look at the past sees what was kept then, and nothing that came since."""
        self.kept.clock.at = at
        for name in self.rules:
            with looking(self.kept.services, name) as look:
                assert look.members(name) == self.members[at][name], f"{name}, back at {at}"

    def forget(self) -> None:
        """Who merged was always one: what was kept of two can be asked no more."""
        self.members.clear()

    # --- the world as far as it has come ---------------------------------------------------------

    def world(self, at: datetime) -> World:
        """With the fifths and the rhythms of that instant."""
        if published_at(at, self.kept.world.zone) != self.published_at:
            self.published_at = published_at(at, self.kept.world.zone)
            self.kept.world = replace(self.kept.world, as_published=None)
        return replace(
            self.kept.world,
            publications=(self.published_at,),
            rhythms=self._rhythms(at) if self.asks_drift else (),
        )

    def _foreseen(self, world: World, at: datetime) -> datetime:
        """Until when rhythms are as they are: an own act yet to come winds them anew."""
        ahead = [act.occurred_at for act in world.acts if act.occurred_at > at]
        return min(ahead) if ahead and self.asks_drift else datetime.max.replace(tzinfo=at.tzinfo)

    def _stored(self, name: str) -> Mapping[CustomerId, Membership]:
        return load_memberships(self.kept.tx, name, self.everybody)

    def _afresh(self, name: str, at: datetime) -> set[CustomerId]:
        """As a pass over everybody evaluates, about drift that is up to date."""
        library, ids = self.kept.services.library(), list(self.kept.ids.values())
        with rehearsal(self.kept.tx) as tx:
            if self.asks_drift:
                refresh_drift(tx, ids, at, library.lexicon, priors_at(tx, at))
            found = evaluate_together(tx, library, [name], self.everybody, at)[name]
        assert not isinstance(found, Refused), found
        return {one.customer_id for one in found if one.holds}

    def _rhythms(self, at: datetime) -> tuple[Rhythm, ...]:
        """Day by day from all acts, and to the microsecond as they are kept."""
        library = self.kept.services.library()
        ids = self.kept.ids
        with rehearsal(self.kept.tx) as tx:
            priors = priors_at(tx, at)
            refresh_drift(tx, list(ids.values()), at, library.lexicon, priors)
            rows = {
                (row.customer_id, clock): row
                for clock in CLOCKS
                for row in load_states(tx, list(ids.values()), clock)
            }
        found = []
        for customer, id_ in ids.items():
            for clock in CLOCKS:
                naive = rhythm_of(self.kept.world, customer, clock, at, priors[clock].priors)
                row = rows.get((id_, clock))
                assert (naive is None) == (row is None), f"{customer} on {clock} at {at}"
                if naive is not None:
                    found.append(as_stored(naive, row))
        return tuple(found)


@contextmanager
def rehearsal(tx: Connection) -> Iterator[Connection]:
    """What is done inside is undone at its end."""
    inside = tx.begin_nested()
    try:
        yield tx
    finally:
        inside.rollback()


def rhythm_of(
    world: World, customer: int, clock: str, at: datetime, priors: Priors
) -> Rhythm | None:
    """Drift of one customer as it is at `at`, with the risk of the day."""
    winds = is_goal if clock == "goal" else is_own
    acts = [act for act in world.acts if act.customer == customer and winds(world, act)]
    days = days_of(acts, world, at)
    if not days:
        return None
    state = state_of(days, priors, world.zone)
    crossings = tuple(vars(state.crossings).values())
    risk = risk_of(acts, world, at, priors)
    return Rhythm(customer, clock, state.n, crossings, risk)


def days_of(acts: list[Act], world: World, at: datetime) -> list[Any]:
    return [
        day_of(act.occurred_at, world.zone)
        for act in acts
        if act.occurred_at <= at and act.known_at <= at
    ]


def risk_of(acts: list[Act], world: World, at: datetime, priors: Priors) -> float | None:
    """As published this morning, of what was known then; None for who was not active by then."""
    morning = published_at(at, world.zone)
    days = days_of(acts, world, morning)
    if not days:
        return None
    silence = (morning - day_begins(max(days), world.zone)) / DAY
    return fold(days, priors.pace).posterior(priors).inactive(silence)


def as_stored(naive: Rhythm, row: Any) -> Rhythm:
    """The stored one, once it proves to be the same but for the last digit of what is computed."""
    stored = (row.cooling_at, row.drifting_at, row.dormant_at, row.lost_at)
    assert row.n == naive.n
    for one, other in zip(stored, naive.crossings, strict=True):
        assert abs(one - other) <= TICK
    assert (row.risk is None) == (naive.risk is None), f"{row.risk}, not {naive.risk}"
    if naive.risk is not None:
        assert isclose(row.risk, naive.risk, rel_tol=1e-9), f"{row.risk}, not {naive.risk}"
    return replace(naive, crossings=stored, risk=row.risk)
