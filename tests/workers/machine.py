"""A shop that lives a random life, crashes between writes, and must agree with the model."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Connection, select

from rekindle.clock import FixedClock, wall_now
from store.records import Identity, IncomingEvent
from store.session import Store
from store.stuck import find_stuck
from store.tables import customers, decisions, enrollments, messages
from tests.shop import LAYOUT, SETTINGS, Shop
from tests.workers.model import Happening, Mails, Model, Plan
from workers.lease import LEASE
from workers.pausing import paused_journeys

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RULES = "topics: {offers: {}, surveys: {}}\ncaps: {all: 2 per 7 days}\nquiet_hours: 21:00-07:00\n"
OFFERS = {
    "journey": "offers", "topic": "offers", "start": [{"event": "order.completed"}],
    "again": "always", "holdout": "none", "because": "a test", "steps": [{"send": "hello"}],
}  # fmt: skip
EVENTS = ("order.completed", "order.completed", "mail.replied", "order.cancelled", "deal.closed")

people = st.sampled_from(["ana", "bo"])
hours = st.sampled_from([2, 0, 1, 5, 12, 31, 200])
Heard = tuple[str, str, str, timedelta]
happenings: st.SearchStrategy[Heard] = st.tuples(
    st.sampled_from(EVENTS),
    people,
    st.sampled_from(["1", "2"]),
    st.sampled_from([timedelta(0), timedelta(hours=2, seconds=30)]),
)
steps = st.tuples(
    st.sampled_from(["wait", "send", "wait_for", "branch"]), st.sampled_from([1, 4, 30])
)
plans = st.builds(
    Plan,
    st.lists(steps, min_size=1, max_size=4).map(tuple),
    again=st.sampled_from(["never", "after exit", "always"]),
    per=st.booleans(),
    goal_hours=st.none() | st.sampled_from([2, 50]),
    has_exit=st.booleans(),
)


class Crash(Exception):
    """The process dies here."""


class MortalStore(Store):
    """A database whose process dies at a chosen transaction, before or after its commit."""

    left: int | None = None  # transactions until then
    after_commit = False

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with super().begin() as tx:
            yield tx
            dies = self._dies()
            if dies and not self.after_commit:
                raise Crash
        if dies:
            raise Crash

    def _dies(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        if self.left > 0:
            return False
        self.left = None
        return True


@dataclass
class LeapingClock(FixedClock):
    """The machine's time leaps when its process is gone, so that its leases are over."""

    leaps: timedelta = field(default_factory=timedelta)

    def wall(self) -> datetime:
        return wall_now() + self.leaps


class Machine(RuleBasedStateMachine):
    """Rules that happen to a shop and its model alike."""

    fresh_url: Callable[[], str]  # a migrated, empty database

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="machine"))
        self.shop = Shop(self.folder, type(self).fresh_url(), MONDAY)
        self.clock = LeapingClock(MONDAY)
        self.store = MortalStore(self.shop.url)
        self.shop.services.store.close()
        self.shop.clock, self.shop.services.clock = self.clock, self.clock
        self.shop.services.store = self.store
        self.denied: dict[str, datetime] = {}
        self.order = 0
        self.version = 0

    @initialize(plan=plans)
    def open(self, plan: Plan) -> None:
        self.model = Model(plan)
        self.shop.write("rekindle.yaml", SETTINGS + RULES)
        self.shop.write("templates/layouts/brand.html.j2", LAYOUT)
        self.shop.mail("hello")
        self.shop.write("journeys/offers.yaml", json.dumps(OFFERS))
        self._apply(plan)
        for name in ("ana", "bo"):
            self.shop.customer(name)
        self._hear(("order.completed", "ana", "1", timedelta(0)))
        self._run()

    def _apply(self, plan: Plan, **more: str) -> None:
        self.version += 1
        written = plan.written("care", note=f"version {self.version}", **more)
        self.shop.write("journeys/care.yaml", json.dumps(written))
        self.shop.apply()

    @rule(news=st.lists(happenings, max_size=4), hours=hours)
    def life_goes_on(self, news: list[Heard], hours: int) -> None:
        for one in news:
            self._hear(one)
        self.clock.move(timedelta(hours=hours))
        self._run()

    @rule(
        news=st.lists(happenings, max_size=4), hours=hours,
        transactions=st.integers(1, 12), after_commit=st.booleans(),
    )  # fmt: skip
    def the_process_dies(
        self, news: list[Heard], hours: int, transactions: int, after_commit: bool
    ) -> None:
        for one in news:
            self._hear(one)
        self.clock.move(timedelta(hours=hours))
        self.store.left, self.store.after_commit = transactions, after_commit
        try:
            self.shop.run()
        except Crash:
            self.clock.leaps += 2 * LEASE
        self.store.left = None
        self._run()

    def _hear(self, heard: Heard) -> None:
        name, who, key, ago = heard
        self.clock.move(timedelta(minutes=1))
        now = self.clock.now()
        self.order += 1
        event = Happening(name, who, key, now - ago, now, self.order)
        self.model.happened.append(event)
        self.model.fresh.append(event)
        self.shop.happens(name, who, ago, ticket_id=key)

    @rule(who=people, is_vip=st.booleans())
    def somebody_changes(self, who: str, is_vip: bool) -> None:
        self.model.vips -= {who}
        self.model.vips |= {who} if is_vip else set()
        self.shop.customer(who, vip=is_vip)

    @rule(who=people)
    def somebody_says_no(self, who: str) -> None:
        self.denied.setdefault(who, self.clock.now())
        self.order += 1
        no = IncomingEvent(
            name="customer.identified",
            occurred_at=self.clock.now(),
            message_id=f"no-{self.order}",
            identities=(Identity("external", who),),
            consents={"offers": "denied"},
        )
        self.shop.receive(no)

    @rule(in_flight=st.sampled_from(["pin", "move", "drain"]), is_paused=st.booleans())
    def the_journey_is_edited(self, in_flight: str, is_paused: bool) -> None:
        plan = self.model.plan.halved()
        self._apply(plan, in_flight=in_flight, status="paused" if is_paused else "live")
        self.model.change = (plan, in_flight)
        self.model.is_paused = is_paused
        self._run()

    def _run(self) -> None:
        self.shop.run()
        self.model.run(self.clock.now(), self._mails())

    def _mails(self) -> Mails:
        with self.store.read() as connection:
            rows = connection.execute(
                select(messages.c.enrollment_id, messages.c.step, messages.c.sent_at)
                .where(messages.c.sent_at.is_not(None))
            ).all()  # fmt: skip
            trips = self._trips(connection)
        return {(*trips[id_], step): at for id_, step, at in rows if id_ in trips}

    def _trips(self, connection: Connection) -> dict[int, tuple[str, str, int]]:
        """Each enrollment of the journey: whose, of which key, and which of theirs."""
        query = (
            select(enrollments.c.id, customers.c.external_id, enrollments.c.key)
            .join(customers, customers.c.id == enrollments.c.customer_id)
            .where(enrollments.c.journey == "care")
            .order_by(enrollments.c.id)
        )
        found: dict[int, tuple[str, str, int]] = {}
        for id_, who, key in connection.execute(query):
            number = sum(1 for one in found.values() if one[:2] == (who, key))
            found[id_] = (who, key, number)
        return found

    @invariant()
    def the_engine_agrees_with_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        with self.store.read() as connection:
            trips = self._trips(connection)
            ended = dict(connection.execute(select(enrollments.c.id, enrollments.c.ended)).all())
            own = decisions.c
            query = select(own.enrollment_id, own.step, own.decision, own.due_at).order_by(own.id)
            said: dict[int, list[tuple[str, str, datetime]]] = {id_: [] for id_ in trips}
            for id_, *decision in connection.execute(query):
                if id_ in said:
                    said[id_].append((decision[0], decision[1], decision[2]))
        engine = {trips[id_]: (ended[id_], said[id_]) for id_ in trips}
        model = {(t.customer, t.key, t.number): (t.ended, t.said) for t in self.model.trips}
        assert engine == model

    @invariant()
    def nobody_is_stuck(self) -> None:
        with self.store.read() as connection:
            paused = tuple(paused_journeys(connection, self.shop.services.library()))
            stuck = find_stuck(connection, paused)
        assert not stuck.is_any, stuck

    @invariant()
    def permission_is_kept(self) -> None:
        with self.store.read() as connection:
            query = (
                select(customers.c.external_id, messages.c.sent_at)
                .join(customers, customers.c.id == messages.c.customer_id)
                .where(messages.c.topic == "offers", messages.c.sent_at.is_not(None))
                .order_by(messages.c.sent_at)
            )
            sent = connection.execute(query).all()
        for who in ("ana", "bo"):
            times = [at for name, at in sent if name == who]
            no = self.denied.get(who)
            assert all(no is None or at <= no for at in times)
            assert all(7 <= at.hour < 21 for at in times)
            weeks = zip(times, times[2:], strict=False)
            assert all(later - first >= timedelta(days=7) for first, later in weeks)

    def teardown(self) -> None:
        self.store.left = None
        self.shop.close()
        self.store.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def machine_on(fresh_url: Callable[[], str]) -> type[Machine]:
    """The machine on databases that `fresh_url` makes."""
    return type("MachineHere", (Machine,), {"fresh_url": staticmethod(fresh_url)})
