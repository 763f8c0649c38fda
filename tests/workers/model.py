"""What journeys mean, told once more and simply: one customer after the other, no database.

It knows only what happened and when, and is told what came back from outside: what became of a
mail, what our people said, when somebody answered. The engine must come to the same enrollments and
decisions, whatever crashed on the way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from journeys.chance import HOLDOUT, stable_share
from tests.workers.leaving import ZONES
from tests.workers.plans import ACTS, EVERY, NAME, NINE, Plan

QUARTER = timedelta(minutes=15)  # all clocks show nine at the beginning of one

TripId = tuple[str, str, int]  # the customer, the key, and which start of theirs
Place = tuple[TripId, str]  # with the step, whatever an edit made of its name


@dataclass(frozen=True)
class Happening:
    """An event; `order` is that of arrival."""

    name: str
    customer: str
    key: str
    occurred_at: datetime
    received_at: datetime
    order: float

    @property
    def place(self) -> tuple[datetime, float]:
        return self.occurred_at, self.order


@dataclass(frozen=True)
class Told:
    """What came back from outside: `mails` are those taken (when) or refused (None)."""

    mails: Mapping[Place, datetime | None]
    approvals: Mapping[Place, tuple[bool, datetime]]  # yes or no, and when
    answers: Mapping[TripId, Sequence[datetime]]


@dataclass
class Trip:
    """One enrollment; `at` is an index of the plan's steps, `part` what it stands at inside."""

    customer: str
    key: str
    number: int
    plan: Plan
    began: tuple[datetime, float]
    started_at: datetime
    arrived_at: datetime
    is_held_out: bool
    at: int = 0
    part: str = ""
    ended: str | None = None
    said: list[tuple[str, str, datetime]] = field(default_factory=list)  # step, what, for when

    @property
    def id(self) -> TripId:
        return self.customer, self.key, self.number

    @property
    def withheld(self) -> str | None:
        """How a decision to do nothing is called, where nothing is to be done."""
        if self.plan.is_shadow:
            return "shadowed"
        return "held_out" if self.is_held_out else None

    @property
    def step(self) -> str:
        return self.plan.step_id(self.at, self.part)

    @property
    def place(self) -> Place:
        return self.id, f"{self.at}{self.part}"


def _last(turn: timedelta, until: datetime) -> datetime:
    begins = datetime(1970, 1, 1, tzinfo=UTC)
    return begins + (until - begins) // turn * turn


def _at(day: date, time: time, zone: str) -> datetime:
    return datetime.combine(day, time, ZoneInfo(zone)).astimezone(UTC)


@dataclass
class Model:
    """Everything that happened so far, and everybody's trips."""

    plan: Plan
    kept_at: datetime  # up to when the calendar was looked at
    numbers: Mapping[str, int] = field(default_factory=dict)  # of each customer, for chance
    is_paused: bool = False
    is_draining: bool = False
    vips: set[str] = field(default_factory=set)
    days: dict[str, date] = field(default_factory=dict)  # of each, on which the calendar starts
    happened: list[Happening] = field(default_factory=list)
    fresh: list[Happening] = field(default_factory=list)
    trips: list[Trip] = field(default_factory=list)
    change: tuple[Plan, str] | None = None  # a new version that nobody has acted upon

    def run(self, now: datetime, told: Told) -> None:
        """Bring everybody to where they are at `now`."""
        self._follow(now)
        fresh, self.fresh = sorted(self.fresh, key=lambda one: one.place), []
        for one in fresh:
            if one.name == "order.completed":
                key = one.key if self.plan.per else ""
                self._start(one.customer, key, one.place, one.received_at, now)
        self._keep_calendar(now)
        for trip in self.trips:
            while trip.ended is None and self._look(trip, now, told):
                pass

    def _follow(self, now: datetime) -> None:
        if self.change is None:
            return
        (self.plan, how), self.change = self.change, None
        for trip in [one for one in self.trips if one.ended is None]:
            if trip.plan.is_shadow and not self.plan.is_shadow:
                trip.ended = "shadowed"
            elif how == "drain":
                trip.ended = "drained"
            elif how == "move":
                trip.plan = self.plan
                trip.said.append((trip.step, "moved", now))

    def _keep_calendar(self, now: datetime) -> None:
        """Of the turns since the last look the last one starts everybody in the segment, and the
        days of people's own start each of them.
        """
        since = self.kept_at
        match self.plan.calendar:
            case "every":
                self.kept_at = max(since, _last(EVERY, now))
                due = dict.fromkeys(self.vips, self.kept_at)
            case "on":
                self.kept_at = max(since, _last(QUARTER, now))
                due = {who: _at(day, NINE, ZONES[who]) for who, day in self.days.items()}
            case _:
                return
        for who, at in sorted(due.items(), key=lambda one: self.numbers[one[0]]):
            if since < at <= self.kept_at:
                self._start(who, "", (now, float("inf")), at, now)

    def _start(
        self, who: str, key: str, began: tuple[datetime, float], arrived_at: datetime, now: datetime
    ) -> None:
        before = [one for one in self.trips if (one.customer, one.key) == (who, key)]
        counted = [
            (one.started_at, one.ended is None)
            for one in before
            if one.ended is None or not one.plan.is_shadow or self.plan.is_shadow
        ]
        is_closed = self.is_paused or self.is_draining
        if is_closed or not self.plan.may_start(counted, now):
            return
        is_held_out = self._luck(who, HOLDOUT) < self.plan.held_out
        self.trips.append(
            Trip(who, key, len(before), self.plan, began, now, arrived_at, is_held_out)
        )

    def _luck(self, who: str, step: str) -> float:
        return stable_share(self.numbers[who], NAME, step)  # type: ignore[arg-type]

    def _look(self, trip: Trip, now: datetime, told: Told) -> bool:
        """One look at one trip; whether it went on."""
        if self._is_goal_reached(trip, now):
            return self._end(trip, "goal", now)
        if trip.plan.has_exit and self._has(trip, "order.cancelled", now):
            return self._end(trip, "exited", now)
        if self.is_paused:
            return False
        match trip.part:
            case "":
                return self._at(trip, now, told)
            case "w":
                return self._at_answer(trip, now, told)
            case _:
                return self._mailed(trip, now, told)

    def _is_goal_reached(self, trip: Trip, now: datetime) -> bool:
        goal, hours = trip.plan.goal
        over_at = trip.started_at + timedelta(hours=hours)
        has_closed = self._has(trip, "deal.closed", min(now, over_at))
        match goal:
            case "deal":
                return has_closed
            case "no deal":
                return now >= over_at and not has_closed
            case _:
                return False

    def _at(self, trip: Trip, now: datetime, told: Told) -> bool:
        kind, over_at = trip.plan.steps[trip.at][0], self._over_at(trip)
        match kind:
            case "wait" | "until":
                return now >= over_at and self._go(trip, "waited", over_at)
            case "send":
                return self._mailed(trip, now, told)
            case "ask":
                return self._mailed(trip, now, told, to="w")
            case "wait_for":
                if self._has(trip, "mail.replied", min(now, over_at), trip.arrived_at):
                    return self._go(trip, "came", min(now, over_at), "c")
                return now >= over_at and self._go(trip, "did not come", over_at, "o")
            case "branch":
                is_vip = trip.customer in self.vips
                decision = "took when 1" if is_vip else "took otherwise"
                return self._go(trip, decision, trip.arrived_at, "v" if is_vip else "")
            case "split":
                is_first = self._luck(trip.customer, trip.step) < 0.5
                decision = "took first" if is_first else "took second"
                return self._go(trip, decision, trip.arrived_at, "f" if is_first else "")
            case "approve":
                return self._at_approval(trip, now, told)
            case _:
                return self._go(trip, trip.withheld or ACTS[kind][1], trip.arrived_at)

    def _over_at(self, trip: Trip) -> datetime:
        kind, hours = trip.plan.steps[trip.at]
        if kind == "until":
            zone, time = ZONES[trip.customer], trip.plan.hour(trip.at)
            day = trip.arrived_at.astimezone(ZoneInfo(zone)).date()
            today = _at(day, time, zone)
            return today if today >= trip.arrived_at else today + timedelta(days=1)
        return trip.arrived_at + timedelta(hours=hours)

    def _at_answer(self, trip: Trip, now: datetime, told: Told) -> bool:
        over_at = self._over_at(trip)
        if any(at <= min(now, over_at) for at in told.answers.get(trip.id, ())):
            return self._go(trip, "came", min(now, over_at), "c")
        asked = [told.mails[trip.id, str(n)] for n in range(trip.at + 1)
                 if (trip.id, str(n)) in told.mails and trip.plan.steps[n][0] == "ask"]  # fmt: skip
        # nobody answers an invitation that never left, but in the shadow one would have
        if asked and not any(asked) and not trip.plan.is_shadow:
            return self._go(trip, "did not come", trip.arrived_at, "o")
        return now >= over_at and self._go(trip, "did not come", over_at, "o")

    def _at_approval(self, trip: Trip, now: datetime, told: Told) -> bool:
        over_at = self._over_at(trip)
        if trip.withheld:
            return self._go(trip, trip.withheld, trip.arrived_at)
        if (answer := told.approvals.get(trip.place)) is not None:
            is_granted, at = answer
            if is_granted:
                return self._go(trip, "approved", at)
            return self._go(trip, "denied", at, "o")
        return now >= over_at and self._go(trip, "denied", over_at, "o")

    def _has(self, trip: Trip, name: str, until: datetime, since: datetime | None = None) -> bool:
        return any(
            one.name == name
            and one.customer == trip.customer
            and (not trip.plan.per or one.key == trip.key)
            and one.place > trip.began
            and max(one.occurred_at, one.received_at) <= until
            and (since is None or one.occurred_at >= since)
            for one in self.happened
        )

    def _mailed(self, trip: Trip, now: datetime, told: Told, to: str = "") -> bool:
        if trip.withheld:
            return self._go(trip, trip.withheld, trip.arrived_at, to)
        if trip.place not in told.mails and to:
            return False  # an invitation may be held; service mail never is
        taken_at = told.mails[trip.place]
        return self._go(trip, "sent" if taken_at else "refused", taken_at or now, to)

    def _go(self, trip: Trip, decision: str, at: datetime, to: str = "") -> bool:
        """On to that part of the step; without one to the next step, or to the end."""
        is_denied = trip.part == "o" and trip.plan.steps[trip.at][0] == "approve"
        trip.said.append((trip.step, decision, at))
        trip.arrived_at, trip.part = at, to
        if not to:
            trip.at += 1
        if is_denied or trip.at == len(trip.plan.steps):
            trip.ended = "finished"
        return True

    def _end(self, trip: Trip, how: str, now: datetime) -> bool:
        trip.said.append((trip.step, how, now))
        trip.ended = how
        return False
