"""Segments kept through time by the engine itself: what is random comes in, the workers follow.

Everything arrives through the functions that take it in live. All of it happens in one transaction,
which the caller rolls back.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from rekindle.clock import FixedClock
from rekindle.services import Services
from rekindle.settings import Settings
from rekindle.workspace.library import Library
from segments.conditions.drift import Drift
from segments.conditions.rfm import Rfm
from segments.definition import Condition, Segment, conditions_in
from store import answers as answers_store
from store import hits as hits_store
from store.answers import Invited, load_answers, save_answer
from store.customers import ids_of
from store.enrollments import NewEnrollment, end_enrollments, load_standing, start_enrollments
from store.events import note_changes
from store.intake import OwnEvent, merge_people, record_customers, record_events, record_own_events
from store.memberships import next_check
from store.messages import Sending, load_messages
from store.passes import begin_pass, move_passes
from store.records import (
    Actor,
    Answer,
    CustomerId,
    DefinitionId,
    EnrollmentId,
    Hit,
    Identity,
    IncomingCustomer,
    IncomingEvent,
    MessageId,
)
from store.records import Report as Reported
from store.reports import record_reports
from store.session import Store
from templates.links import Signer
from tests.segments.history import History
from tests.segments.oracle import Act, Mail, Report, Said, Told, Trip, World
from tests.segments.rules import CUSTOMERS
from web.visits import answer_event
from workers.evaluate import evaluate_changes, evaluate_due, evaluate_segments
from workers.passes import evaluate_everybody
from workers.settling import Rules, settle

SIGNER = Signer("for tests")
CLAIM = "a claim@here/1/1"


def as_reported(world: World) -> World:
    """With mails that had left by what their provider was first heard to say of them."""
    return replace(world, mails=tuple(replace(m, sent_at=_left_at(m)) for m in world.mails))


def _left_at(mail: Mail) -> datetime | None:
    told = [one.known_at for one in mail.reports if one.kind in ("delivered", "bounced")]
    return min([*told, *([mail.sent_at] if mail.sent_at else [])], default=None)


class OneTransaction(Store):
    """A store all of whose transactions are savepoints of one."""

    def __init__(self, tx: Connection) -> None:
        self.tx = tx

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self.tx.begin_nested():
            yield self.tx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        yield self.tx


# statements that depend on nothing but these, by zone: making them takes longer than a whole walk
WINDINGS: defaultdict[str, dict[Any, Any]] = defaultdict(dict)


@dataclass
class Walk:
    """News comes in, people merge, workers follow; the world is as it turned out so far."""

    tx: Connection
    world: World
    clock: FixedClock
    services: Services
    ids: dict[int, CustomerId]
    born: World  # before anybody merged: under these names they report
    mails: list[int] = field(default_factory=list)
    trips: dict[int, EnrollmentId] = field(default_factory=dict)

    @classmethod
    def begin(
        cls, tx: Connection, world: World, rules: Mapping[str, Condition], at: datetime
    ) -> "Walk":
        """Both customers are known, and nothing has happened yet."""
        record_customers(tx, [IncomingCustomer(str(c)) for c in CUSTOMERS], now=at)
        found = ids_of(tx, map(str, CUSTOMERS))
        clock, library = FixedClock(at), library_of(world, rules)
        library.lexicon.prepared.update(WINDINGS[world.zone.key])
        services = Services(OneTransaction(tx), clock, lambda: SIGNER, Path(), {}, _library=library)
        ids = {c: found[str(c)] for c in CUSTOMERS}
        walk = cls(tx, as_reported(world), clock, services, ids, world)
        history = History(tx)
        for number, mail in enumerate(world.mails, 1):
            known = {
                "template": mail.template,
                "status": "sending",
                "claimed_by": CLAIM,
                "address": address_of(number),
            }
            walk.mails.append(history.message(walk.ids[mail.customer], None, **known))
        walk._look_first(at)
        made = library.lexicon.prepared
        WINDINGS[world.zone.key] |= {key: made[key] for key in made if key[0] == "winding"}
        return walk

    @cached_property
    def asks_figures(self) -> bool:
        """Whether any rule asks drift or fifths, of which there is a version a day."""
        rules = self.services.library().segments.values()
        return any(isinstance(one, Drift | Rfm) for rule in rules for one in conditions_in(rule))

    def _look_first(self, at: datetime) -> None:
        """Where nothing is learned of everybody, no clock is wound: that takes most of the time."""
        if self.asks_figures:
            self.work(at)
            return
        library, ids = self.services.library(), list(self.ids.values())
        evaluate_segments(self.tx, library, dict.fromkeys(library.segments, "first"), ids, at)
        for name in library.segments:
            begin_pass(self.tx, name, library.versions["segment", name], "first", at)
        move_passes(self.tx, list(library.segments), max(ids), at)

    def work(self, at: datetime) -> None:
        """As `rekindle run --until-idle` at that instant."""
        self.clock.at = at
        if self.asks_figures:
            evaluate_everybody(self.services, at)
        while evaluate_changes(self.services).events:
            pass
        while evaluate_due(self.services).looked_at:
            pass

    def next_check(self) -> datetime | None:
        return next_check(self.tx)

    def merge(self, at: datetime) -> None:
        """The second customer turns out to be the first."""
        merge_people(self.tx, {self.ids[2]: self.ids[1]}, at)
        self.world = merged(self.world, at)
        del self.ids[2]

    # --- what comes in ---------------------------------------------------------------------------

    def receive(self, at: datetime) -> None:
        """What comes to be known at that instant."""
        self._receive_events(at)
        sent_at = [mail.sent_at for mail in self.born.mails]
        for mail, number, is_sent_at in zip(self.world.mails, self.mails, sent_at, strict=True):
            if is_sent_at == at:
                self._send(mail, number, at)
            for place, report in enumerate(mail.reports):
                self._receive_report(mail, number, report, 100 * number + place, at)
        for told in self.world.answers:
            self._receive_answer(told, at)
        for place, trip in enumerate(self.world.trips):
            if trip.started_at == at:
                self._start(place, trip)
            if trip.ended_at == at:
                self._end(place, trip)

    def _receive_events(self, at: datetime) -> None:
        """Each event twice: the second time changes nothing."""
        acts = [_acted(f"act {n}", a) for n, a in enumerate(self.born.acts) if a.known_at == at]
        said = [_said(f"said {n}", s) for n, s in enumerate(self.born.said) if s.known_at == at]
        again = [event._replace(name="cart.updated", properties={}) for event in acts]
        record_events(
            self.tx, [*acts, *again, *said], now=at, settings=self.services.library().settings
        )

    def _send(self, mail: Mail, message: int, at: datetime) -> None:
        number = MessageId(message)
        batch = load_messages(self.tx, [number])
        rules = Rules(self.services.library().settings, is_idempotent=False)
        by_id = {one.id: one for one in batch}
        settle(self.tx, CLAIM, by_id, [Sending(number, "sent", sent_at=at)], at, rules)
        self._is_told(mail, "sent", at, at)

    def _is_told(self, mail: Mail, what: str, occurred_at: datetime, at: datetime) -> None:
        """An event of ours, which rules may ask for like any other, came in after all so far."""
        told = Act(mail.customer, f"message.{what}", "email", "rekindle", occurred_at, at, {})
        so_far = [act for act in self.world.acts if act.known_at <= at]
        acts = (*so_far, told, *self.world.acts[len(so_far) :])
        self.world = replace(self.world, acts=acts)

    def _receive_report(
        self, mail: Mail, message: int, report: Report, hit: int, at: datetime
    ) -> None:
        """By the provider; what is judged anew later, by a visit of our own page."""
        if report.known_at == at and report.turned_at is None:
            reported = Reported(
                f"report {hit}",
                report.kind,
                address_of(message),
                report.occurred_at,
                message_id=message,
                is_machine=report.is_machine,
            )
            record_reports(self.tx, [reported], at)
            if not report.is_machine:
                self._is_told(mail, report.kind, report.occurred_at, at)
        elif report.known_at == at:
            visit = Hit(hit, MessageId(message), "open", "GET", "", report.occurred_at)
            hits_store.save_act(self.tx, _opening(report, hit), visit, at, {})
            if not report.is_machine:
                self._tell_opened(mail, report, hit, at)
        if report.turned_at == at:
            turned = replace(report, is_machine=not report.is_machine)
            hits_store.save_standing(self.tx, [_opening(turned, hit)], at)
            note_changes(self.tx, [(self.ids[mail.customer], None)])
            if not turned.is_machine:
                self._tell_opened(mail, report, hit, at)

    def _tell_opened(self, mail: Mail, report: Report, hit: int, at: datetime) -> None:
        customer, name = self.ids[mail.customer], f"message.{report.kind}"
        opened = OwnEvent(customer, name, report.occurred_at, f"hit:{hit}")
        record_own_events(self.tx, [opened], at)
        self._is_told(mail, report.kind, report.occurred_at, at)

    def _receive_answer(self, told: Told, at: datetime) -> None:
        answer = Answer(
            told.survey,
            self.ids[told.customer],
            MessageId(1_000 + told.mail),
            told.score,
            "",
            told.answered_at,
            is_counted=told.is_counted,
            revision=told.revision,
        )
        if told.answered_at == at:
            save_answer(self.tx, answer, at)
            if told.is_counted:
                self._tell_answered(answer, at)
        if told.turned_at == at:
            turned = replace(answer, is_counted=not told.is_counted)
            answers_store.save_standing(self.tx, [turned], at)
            note_changes(self.tx, [(answer.customer_id, None)])
            if turned.is_counted:
                self._tell_answered(turned, at)

    def _tell_answered(self, answer: Answer, at: datetime) -> None:
        invited = Invited(
            answer.message_id,
            answer.customer_id,
            None,
            "surveys/csat",
            "surveys",
            answer.survey,
            at,
            "",
            {},
        )
        is_first = len(load_answers(self.tx, answer.message_id)) == 1
        name = "survey.answered" if is_first else "survey.revised"
        record_own_events(self.tx, [answer_event(name, invited, answer)], at)

    def _start(self, place: int, trip: Trip) -> None:
        new = NewEnrollment(
            trip.journey,
            DefinitionId(1),
            self.ids[trip.customer],
            trip.key,
            str(place),
            None,
            "event",
            trip.is_held_out,
            "wait",
            trip.started_at,
        )
        [(id_, _)] = start_enrollments(self.tx, [new], trip.started_at)
        self.trips[place] = id_
        self._tell_of_trip(id_, trip, "started", trip.started_at)

    def _end(self, place: int, trip: Trip) -> None:
        assert trip.ended_at is not None
        assert trip.ended is not None
        stands = load_standing(self.tx, [self.trips[place]])[self.trips[place]]
        end_enrollments(self.tx, [stands.over(trip.ended)], trip.ended_at)
        self._tell_of_trip(stands.id, trip, "ended", trip.ended_at)

    def _tell_of_trip(self, id_: EnrollmentId, trip: Trip, what: str, at: datetime) -> None:
        customer, name = self.ids[trip.customer], f"enrollment.{what}"
        told = OwnEvent(customer, name, at, f"enrollment:{id_}:{what}", {"journey": trip.journey})
        record_own_events(self.tx, [told], at)


def library_of(world: World, rules: Mapping[str, Condition]) -> Library:
    activity = {"any": sorted(world.own_channels), "value": "a"}
    settings = {"brand": {"zone": world.zone.key}, "activity": activity}
    return Library(
        Settings.model_validate(settings),
        {name: Segment(segment=name, match=rule) for name, rule in rules.items()},
        versions={("segment", name): DefinitionId(n) for n, name in enumerate(rules, 1)},
    )


def merged(world: World, at: datetime) -> World:
    """All is the first customer's; of two trips under way with one key the younger is over."""
    trips: list[Trip] = []
    under_way: set[tuple[str, str]] = set()
    order = sorted(range(len(world.trips)), key=lambda place: world.trips[place].started_at)
    turned = dict(enumerate(world.trips))
    for place in order:
        trip = world.trips[place]
        if trip.started_at > at:
            turned[place] = replace(trip, key=f"{trip.key} of {trip.customer}")
        elif trip.ended_at is None or trip.ended_at > at:
            if (trip.journey, trip.key) in under_way:
                turned[place] = replace(trip, ended_at=at, ended="merged")
            under_way.add((trip.journey, trip.key))
    trips = [replace(turned[place], customer=1) for place in range(len(world.trips))]
    return replace(
        world,
        acts=tuple(replace(act, customer=1) for act in world.acts),
        said=tuple(replace(said, customer=1) for said in world.said),
        trips=tuple(trips),
        mails=tuple(replace(mail, customer=1) for mail in world.mails),
        answers=tuple(replace(told, customer=1) for told in world.answers),
        as_published=world,
    )


def address_of(message: int) -> str:
    return f"{message}@example.com"


def _opening(report: Report, hit: int) -> hits_store.Act:
    return hits_store.Act(hit, report.kind, report.is_machine)


def _acted(message_id: str, act: Act) -> IncomingEvent:
    return IncomingEvent(
        name=act.name,
        occurred_at=act.occurred_at,
        message_id=message_id,
        identities=(Identity("external", str(act.customer)),),
        channel=act.channel,
        actor=Actor(act.actor),
        properties=act.properties,
    )


def _said(message_id: str, said: Said) -> IncomingEvent:
    return IncomingEvent(
        name="customer.identified",
        occurred_at=said.occurred_at,
        message_id=message_id,
        identities=(Identity("external", str(said.customer)),),
        traits={said.name: said.value},
    )
