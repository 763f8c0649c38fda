"""What journeys mean, told once more and simply: one customer after the other, no database.

It knows only what happened and when, and is told when the provider took a mail. The engine must
come to the same enrollments and decisions, whatever crashed on the way.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Mails = dict[tuple[str, str, int, str], datetime]  # customer, key, which start, step -> taken at


@dataclass(frozen=True)
class Happening:
    """An event; `order` is that of arrival."""

    name: str
    customer: str
    key: str
    occurred_at: datetime
    received_at: datetime
    order: int

    @property
    def place(self) -> tuple[datetime, int]:
        return self.occurred_at, self.order


@dataclass(frozen=True)
class Plan:
    """A journey: its steps in order, each a kind with hours; and the rules around them."""

    steps: tuple[tuple[str, int], ...]
    again: str = "never"
    per: bool = False
    goal_hours: int | None = None
    has_exit: bool = False

    def halved(self) -> "Plan":
        steps = tuple((kind, max(hours // 2, 1)) for kind, hours in self.steps)
        return Plan(steps, self.again, self.per, self.goal_hours, self.has_exit)

    def written(self, name: str, **more: Any) -> dict[str, Any]:
        """The journey as it stands in a file."""
        written: dict[str, Any] = {
            "journey": name,
            "topic": "service",
            "start": [{"event": "order.completed"}],
            "again": self.again,
            "steps": [_step(i, kind, hours) for i, (kind, hours) in enumerate(self.steps)],
            **more,
        }
        if self.per:
            written["per"] = "ticket_id"
        if self.goal_hours is not None:
            written["goal"] = {"event": "deal.closed", "within": f"{self.goal_hours} hours"}
        if self.has_exit:
            written["exit"] = [{"event": "order.cancelled"}]
        return written


def _step(index: int, kind: str, hours: int) -> dict[str, Any]:
    own = {"id": f"s{index}"}
    match kind:
        case "wait":
            return {"wait": f"{hours} hours", **own}
        case "send":
            return {"send": "hello", **own}
        case "wait_for":
            came = [{"send": "hello", "id": f"s{index}c"}]
            other = [{"send": "hello", "id": f"s{index}o"}]
            asked = {"wait_for": {"event": "mail.replied"}, "up_to": f"{hours} hours"}
            return {**asked, "came": came, "otherwise": other, **own}
        case _:
            steps = [{"send": "hello", "id": f"s{index}v"}]
            return {"branch": [{"when": {"trait": "vip", "is": True}, "steps": steps}], **own}


@dataclass
class Trip:
    """One enrollment; `at` is an index of the plan's steps, with the mail after it where one is."""

    customer: str
    key: str
    number: int
    plan: Plan
    began: tuple[datetime, int]
    started_at: datetime
    arrived_at: datetime
    at: int = 0
    mail: str = ""  # the step of the mail inside the step that it stands at
    ended: str | None = None
    said: list[tuple[str, str, datetime]] = field(default_factory=list)  # step, what, for when

    @property
    def step(self) -> str:
        return self.mail or f"s{self.at}"


@dataclass
class Model:
    """Everything that happened so far, and everybody's trips."""

    plan: Plan
    is_paused: bool = False
    vips: set[str] = field(default_factory=set)
    happened: list[Happening] = field(default_factory=list)
    fresh: list[Happening] = field(default_factory=list)
    trips: list[Trip] = field(default_factory=list)
    change: tuple[Plan, str] | None = None  # a new version that nobody has acted upon

    def run(self, now: datetime, mails: Mails) -> None:
        """Bring everybody to where they are at `now`."""
        self._follow(now)
        fresh, self.fresh = sorted(self.fresh, key=lambda one: one.place), []
        if not self.is_paused:
            self._start(fresh, now)
        for trip in self.trips:
            while trip.ended is None and self._look(trip, now, mails):
                pass

    def _follow(self, now: datetime) -> None:
        if self.change is None:
            return
        (self.plan, how), self.change = self.change, None
        for trip in [one for one in self.trips if one.ended is None]:
            if how == "drain":
                trip.ended = "drained"
            elif how == "move":
                trip.plan = self.plan
                trip.said.append((trip.step, "moved", now))

    def _start(self, fresh: list[Happening], now: datetime) -> None:
        begun: set[tuple[str, str]] = set()
        for one in fresh:
            key = one.key if self.plan.per else ""
            before = [t for t in self.trips if (t.customer, t.key) == (one.customer, key)]
            may = not before if self.plan.again == "never" else all(t.ended for t in before)
            if one.name == "order.completed" and may and (one.customer, key) not in begun:
                begun.add((one.customer, key))
                self.trips.append(
                    Trip(one.customer, key, len(before), self.plan, one.place, now, one.received_at)
                )

    def _look(self, trip: Trip, now: datetime, mails: Mails) -> bool:
        """One look at one trip; whether it went on."""
        plan = trip.plan
        if plan.goal_hours is not None:
            until = min(now, trip.started_at + timedelta(hours=plan.goal_hours))
            if self._has(trip, "deal.closed", until):
                return self._end(trip, "goal", now)
        if plan.has_exit and self._has(trip, "order.cancelled", now):
            return self._end(trip, "exited", now)
        if self.is_paused:
            return False
        if trip.mail:
            return self._mailed(trip, mails)
        kind, hours = plan.steps[trip.at]
        return self._at(trip, kind, timedelta(hours=hours), now, mails)

    def _at(self, trip: Trip, kind: str, length: timedelta, now: datetime, mails: Mails) -> bool:
        over_at = trip.arrived_at + length
        match kind:
            case "wait":
                return now >= over_at and self._go(trip, "waited", over_at)
            case "send":
                return self._mailed(trip, mails)
            case "wait_for":
                if self._has(trip, "mail.replied", min(now, over_at), trip.arrived_at):
                    return self._into(trip, "came", min(now, over_at), "c")
                return now >= over_at and self._into(trip, "did not come", over_at, "o")
            case _:
                if trip.customer in self.vips:
                    return self._into(trip, "took when 1", trip.arrived_at, "v")
                return self._go(trip, "took otherwise", trip.arrived_at)

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

    def _mailed(self, trip: Trip, mails: Mails) -> bool:
        taken_at = mails[trip.customer, trip.key, trip.number, trip.step]  # else it did not leave
        return self._go(trip, "sent", taken_at)

    def _into(self, trip: Trip, decision: str, at: datetime, arm: str) -> bool:
        trip.said.append((trip.step, decision, at))
        trip.arrived_at, trip.mail = at, f"s{trip.at}{arm}"
        return True

    def _go(self, trip: Trip, decision: str, at: datetime) -> bool:
        trip.said.append((trip.step, decision, at))
        trip.arrived_at, trip.mail, trip.at = at, "", trip.at + 1
        if trip.at == len(trip.plan.steps):
            trip.ended = "finished"
        return True

    def _end(self, trip: Trip, how: str, now: datetime) -> bool:
        trip.said.append((trip.step, how, now))
        trip.ended = how
        return False
