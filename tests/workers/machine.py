"""A shop that lives a random life, crashes between writes, and must agree with the model."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Connection, select, update

from rekindle.acting import Answers, act, find_sent
from rekindle.clock import FixedClock, wall_now
from store.approvals import answer_approvals, list_open_approvals
from store.customers import ids_of
from store.records import Identity, IncomingEvent
from store.session import Store
from store.stuck import find_stuck
from store.suppressions import lift, suppress
from store.tables import answers, approvals, customers, decisions, enrollments, messages
from tests.shop import LAYOUT, SETTINGS, Shop
from tests.workers.acts import check_acts
from tests.workers.leaving import (
    RULES,
    ZONES,
    Wishes,
    check_all,
    check_new,
    load_mails,
)
from tests.workers.model import Happening, Model, Told, TripId
from tests.workers.plans import NAME, Plan, plans
from workers.lease import LEASE
from workers.pausing import paused_journeys

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
A_MINUTE = timedelta(minutes=1)
STILL_OPEN = timedelta(days=13)  # a survey can be answered for 14 days
OFFERS = {
    "journey": "offers", "topic": "offers", "start": [{"event": "order.completed"}],
    "again": "always", "holdout": "none", "because": "a test", "pace": "1 per 3 hours",
    "steps": [{"send": "hello"}],
}  # fmt: skip
SIDE = {
    "journey": "side", "topic": "service", "start": ["api"], "again": "always",
    "steps": [{"wait": "1 hour"}],
}  # fmt: skip
EVENTS = ("order.completed", "order.completed", "mail.replied", "order.cancelled", "deal.closed")

people = st.sampled_from(sorted(ZONES))
hours = st.sampled_from([2, 0, 1, 5, 12, 31, 200])
Heard = tuple[str, str, str, timedelta]
happenings: st.SearchStrategy[Heard] = st.tuples(
    st.sampled_from(EVENTS),
    people,
    st.sampled_from(["1", "2"]),
    st.sampled_from([timedelta(0), timedelta(hours=2, seconds=30)]),
)
news = st.lists(happenings, max_size=4)
# the how-manieth transaction is the last of a process, and whether its commit came through
deaths = st.none() | st.tuples(st.integers(1, 12), st.booleans())


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
        self.wishes = Wishes()
        self.seen: set[int] = set()  # mails that left or were refused before
        self.order = 0
        self.version = 0

    @initialize(plan=plans)
    def open(self, plan: Plan) -> None:
        self._write_files()
        self._apply(plan)
        for name, zone in ZONES.items():
            self.shop.customer(name, zone=zone)
        with self.store.read() as connection:
            self.model = Model(plan, self.clock.now(), ids_of(connection, ZONES))
        self._hear(("order.completed", "ana", "1", timedelta(0)))
        self._work()

    def _write_files(self) -> None:
        shop = self.shop
        shop.write("rekindle.yaml", SETTINGS + RULES)
        shop.write("templates/layouts/brand.html.j2", LAYOUT)
        shop.write("surveys/csat.yaml", "survey: csat\nkind: csat\n")
        shop.write("segments/vips.yaml", "segment: vips\nmatch: {trait: vip, is: true}\n")
        shop.write("journeys/offers.yaml", json.dumps(OFFERS))
        shop.write("journeys/side.yaml", json.dumps(SIDE))
        shop.mail("hello")
        shop.mail("ask", body='{{ survey("csat") }}')

    def _apply(self, plan: Plan, **more: object) -> None:
        self.version += 1
        written = plan.written(note=f"version {self.version}", **more)
        self.shop.write(f"journeys/{NAME}.yaml", json.dumps(written))
        self.shop.apply()

    @rule(news=news, hours=hours, death=deaths)
    def life_goes_on(self, news: list[Heard], hours: int, death: tuple[int, bool] | None) -> None:
        for one in news:
            self._hear(one)
        self.clock.move(timedelta(hours=hours))
        self._work(death)

    def _hear(self, heard: Heard) -> None:
        name, who, key, ago = heard
        self.clock.move(A_MINUTE)
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

    @rule(who=people, ahead=st.sampled_from([0, 1, 3]))
    def somebody_names_a_day(self, who: str, ahead: int) -> None:
        day = self.clock.now().date() + timedelta(days=ahead)
        self.model.days[who] = day
        self.shop.customer(who, day=day.isoformat())

    @rule(who=people, topic=st.sampled_from(["offers", "surveys"]), says=st.booleans())
    def somebody_speaks_of_a_topic(self, who: str, topic: str, says: bool) -> None:
        denied = self.wishes.denied - {(who, topic)} | (set() if says else {(who, topic)})
        self.wishes = replace(self.wishes, denied=denied)
        self.clock.move(A_MINUTE)
        self.order += 1
        word = IncomingEvent(
            name="customer.identified",
            occurred_at=self.clock.now(),
            message_id=f"word-{self.order}",
            identities=(Identity("external", who),),
            consents={topic: "granted" if says else "denied"},
        )
        self.shop.receive(word)

    @rule(who=people, is_suppressed=st.booleans())
    def an_address_is_suppressed_or_freed(self, who: str, is_suppressed: bool) -> None:
        suppressed = self.wishes.suppressed - {who} | ({who} if is_suppressed else set())
        self.wishes = replace(self.wishes, suppressed=suppressed)
        self.clock.move(A_MINUTE)
        with self.store.begin() as tx:
            if is_suppressed:
                suppress(tx, {f"{who}@example.com": "person"}, self.clock.now())
            else:
                lift(tx, f"{who}@example.com", self.clock.now())

    @rule(is_granted=st.booleans(), hours=hours)
    def our_people_answer(self, is_granted: bool, hours: int) -> None:
        self.clock.move(A_MINUTE)
        now = self.clock.now()
        with self.store.begin() as tx:
            asked = [one.id for one in list_open_approvals(tx, now=now)]
            answer_approvals(tx, asked, is_granted=is_granted, by="lea", now=now)
        self.clock.move(timedelta(hours=hours))
        self._work()

    @rule(who=people, score=st.integers(1, 5), hours=hours)
    def somebody_answers(self, who: str, score: int, hours: int) -> None:
        now = self.clock.now()
        with self.store.read() as connection:
            sent = find_sent(connection, now - STILL_OPEN, now - A_MINUTE)
        for name, mail in sent:
            if name == who and mail.survey is not None:
                act(self.shop.services, who, Answers(now, mail, score, "", ""))
        self.clock.move(A_MINUTE + timedelta(hours=hours))
        self._work()

    @rule(
        in_flight=st.sampled_from(["pin", "move", "drain"]),
        status=st.sampled_from(["live", "live", "paused", "draining", "shadow"]),
        death=deaths,
    )
    def the_journey_is_edited(
        self, in_flight: str, status: str, death: tuple[int, bool] | None
    ) -> None:
        before = self.model.plan
        plan = before.edited(is_shadow=status == "shadow")
        renamed = dict(zip(before.ids(), plan.ids(), strict=True))
        moved = {"moved": renamed} if in_flight == "move" else {}
        self._apply(plan, in_flight=in_flight, status=status, **moved)
        self.model.change = (plan, in_flight)
        self.model.is_paused, self.model.is_draining = status == "paused", status == "draining"
        self._work(death)

    def _work(self, death: tuple[int, bool] | None = None) -> None:
        """Everything due is done; a process that dies over it has a successor."""
        if death is not None:
            self.store.left, self.store.after_commit = death
            try:
                self.shop.run()
            except Crash:
                self.store.left = None
                self._end_leases()
            self.store.left = None
        self.shop.run()
        self.model.run(self.clock.now(), self._told())

    def _end_leases(self) -> None:
        """Whatever the dead process held may be taken over: machine and database are ahead."""
        self.clock.leaps += 2 * LEASE
        with self.store.begin() as tx:
            claimed = messages.c.claimed_until.is_not(None)
            tx.execute(update(messages).where(claimed).values(claimed_until=MONDAY))

    def _told(self) -> Told:
        with self.store.read() as connection:
            trips = self._trips(connection)
            mails = [one for one in load_mails(connection) if one.enrollment_id in trips]
            query = select(approvals).where(approvals.c.answered_at.is_not(None))
            said = [one for one in connection.execute(query) if one.enrollment_id in trips]
            query = select(answers).where(answers.c.is_counted)
            given = [one for one in connection.execute(query) if one.enrollment_id in trips]
        settled = [one for one in mails if one.sent_at or one.status == "refused"]
        taken = {(trips[one.enrollment_id], one.step[1:]): one.sent_at for one in settled}
        assert len(taken) == len(settled), "a step has acted twice"
        return Told(
            mails=taken,
            approvals={(trips[one.enrollment_id], one.step[1:]): (one.is_granted, one.answered_at)
                       for one in said},
            answers={trip: [one.answered_at for one in given if one.enrollment_id == id_]
                     for id_, trip in trips.items()},
        )  # fmt: skip

    def _trips(self, connection: Connection) -> dict[int, TripId]:
        """Each enrollment of the journey: whose, of which key, and which of theirs."""
        query = (
            select(enrollments.c.id, customers.c.external_id, enrollments.c.key)
            .join(customers, customers.c.id == enrollments.c.customer_id)
            .where(enrollments.c.journey == NAME)
            .order_by(enrollments.c.id)
        )
        found: dict[int, TripId] = {}
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
        model = {one.id: (one.ended, one.said) for one in self.model.trips}
        assert engine == model

    @invariant()
    def nobody_is_stuck(self) -> None:
        with self.store.read() as connection:
            paused = tuple(paused_journeys(connection, self.shop.services.library()))
            stuck = find_stuck(connection, paused)
        assert not stuck.is_any, stuck

    @invariant()
    def what_was_decided_was_done_once(self) -> None:
        with self.store.read() as connection:
            check_acts(connection, self.clock.now())

    @invariant()
    def permission_is_kept(self) -> None:
        with self.store.read() as connection:
            mails = load_mails(connection)
        new = [one for one in mails if one.sent_at or one.status == "refused"]
        for one in new:
            if one.id not in self.seen:
                check_new(one, self.wishes)
        self.seen |= {one.id for one in new}
        check_all(mails)

    def teardown(self) -> None:
        self.store.left = None
        self.shop.close()
        self.store.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def machine_on(fresh_url: Callable[[], str]) -> type[Machine]:
    """The machine on databases that `fresh_url` makes."""
    return type("MachineHere", (Machine,), {"fresh_url": staticmethod(fresh_url)})
