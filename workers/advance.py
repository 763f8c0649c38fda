"""Moves due enrollments on, in rounds over a batch, until all of them wait; one transaction.

What was decided is written before a round asks anything, and at the end: an enrollment that passes
several steps in one go is then written once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from journeys.advance import Approval, Decision, Facts, Outcome, advance, questions
from journeys.definition import Approve, Send, Step, Survey, Wait, WaitFor, WaitUntil
from journeys.graph import Graph, Node
from journeys.timing import zone_of
from rekindle.services import Services
from rekindle.workspace.library import Library
from segments.conditions.answer import Answer
from store.approvals import approvals_at
from store.customers import load_traits
from store.enrollments import claim_due, end_enrollments, move_enrollments, save_decisions
from store.intake import OwnEvent, record_own_events
from store.messages import cancel_queued, messages_at, refused_surveys
from store.records import CustomerId, Enrollment, EnrollmentId
from workers.counts import Counts
from workers.effects import do_in_transaction
from workers.pausing import paused_journeys
from workers.questions import reply_to

BATCH = 500
MOST_ROUNDS = 1_000  # more steps than any journey has: a fault of ours, not of the author
ZONE = "zone"


def advance_due(services: Services, now: datetime, ids: Sequence[int] | None = None) -> Counts:
    """Advance up to a batch of enrollments due at `now`, of `ids` where they are given."""
    library = services.library()
    with services.store.begin() as tx:
        standing = claim_due(tx, now, BATCH, ids)
        counts = advance_all(tx, library, standing, now) if standing else Counts()
    return counts + Counts(looked_at=len(standing))


def advance_all(
    tx: Connection, library: Library, standing: Sequence[Enrollment], now: datetime
) -> Counts:
    """Take each of these as far as it goes at `now`."""
    batch = Batch(tx, library, now, frozenset(paused_journeys(tx, library)))
    moving = batch.drop_lost(standing)
    for _ in range(MOST_ROUNDS):
        if not moving:
            batch.flush()
            return batch.counts
        moving = batch.take_a_step(moving)
    raise AssertionError("a journey goes round without waiting")


@dataclass
class Batch:
    """Enrollments that advance together, and what of it is yet to be written."""

    tx: Connection
    library: Library
    now: datetime
    paused: Collection[str]
    counts: Counts = field(default_factory=Counts)
    said: list[dict[str, Any]] = field(default_factory=list)
    stands: dict[EnrollmentId, tuple[Enrollment, datetime | None]] = field(default_factory=dict)

    def drop_lost(self, standing: Sequence[Enrollment]) -> list[Enrollment]:
        """Those who stand somewhere; one whose step is no more has failed, and says so."""
        lost = [one for one in standing if self._node(one) is None]
        failed = [replace(one, ended="failed") for one in lost]
        for one in lost:
            self._say(one, one.step, "failed", "this step is no more", self.now)
        self._end(failed)
        gone = {one.id for one in lost}
        return [one for one in standing if one.id not in gone]

    def take_a_step(self, moving: Sequence[Enrollment]) -> list[Enrollment]:
        """One step for each; those who go on."""
        decided = self._decide(moving)
        self._write(decided)
        return [
            decision.enrollment
            for _, decision in decided
            if not decision.waits and decision.enrollment.ended is None
        ]

    def flush(self) -> None:
        """Write what was decided and where everybody stands."""
        save_decisions(self.tx, self.said)
        move_enrollments(self.tx, list(self.stands.values()))
        self.said, self.stands = [], {}

    def _graph(self, one: Enrollment) -> Graph | None:
        return self.library.graph(one.version_id)

    def _node(self, one: Enrollment) -> Node | None:
        graph = self._graph(one)
        return graph.nodes.get(one.step) if graph else None

    def _decide(self, moving: Sequence[Enrollment]) -> list[tuple[Enrollment, Decision]]:
        """The facts of those at the same step are fetched together."""

        def place(one: Enrollment) -> tuple[int, str]:
            return one.version_id, one.step

        decided = []
        for _, group in groupby(sorted(moving, key=place), key=place):
            together = list(group)
            graph = self._graph(together[0])
            assert graph is not None  # those without one were dropped
            facts = self._facts(graph, graph.nodes[together[0].step], together)
            decided += [(one, advance(graph, one, facts[one.id], self.now)) for one in together]
        return decided

    def _facts(
        self, graph: Graph, node: Node, together: Sequence[Enrollment]
    ) -> dict[EnrollmentId, Facts]:
        asked = questions(graph, node.id)
        if asked and (self.said or self.stands):
            self.flush()
        replies = reply_to(self.tx, self.library, asked, together, self.now)
        known = self._traits(node.step, together)
        outcomes = self._outcomes(node.step, together)
        refused = self._refused(node.step, together)
        approvals = self._approvals(node.step, together)
        brand_zone = self.library.settings.brand.tz
        asking = self._asking(node.step)
        is_paused = graph.journey.journey in self.paused
        return {
            one.id: Facts(
                zone=zone_of(known.get(one.customer_id, {}).get(ZONE), brand_zone),
                replies=replies[one.id],
                outcome=outcomes.get(one.id),
                refused_surveys=refused.get(one.id, {}),
                traits=known.get(one.customer_id, {}),
                approval=approvals.get(one.id),
                asking=asking,
                is_paused=is_paused,
            )
            for one in together
        }

    def _traits(
        self, step: Step, together: Sequence[Enrollment]
    ) -> Mapping[CustomerId, Mapping[str, Any]]:
        names = _traits_read(step)
        ids = {one.customer_id for one in together}
        return load_traits(self.tx, ids, self.now, names=names) if names else {}

    def _outcomes(
        self, step: Step, together: Sequence[Enrollment]
    ) -> Mapping[EnrollmentId, Outcome]:
        if not isinstance(step, Send | Survey):
            return {}
        return {
            key[0]: Outcome(message.status, message.reason, message.sent_at)
            for key, message in messages_at(self.tx, together).items()
        }

    def _refused(
        self, step: Step, together: Sequence[Enrollment]
    ) -> Mapping[EnrollmentId, Mapping[str, str]]:
        if not isinstance(step, WaitFor) or not isinstance(step.wait_for, Answer):
            return {}
        return refused_surveys(self.tx, [one.id for one in together])

    def _approvals(
        self, step: Step, together: Sequence[Enrollment]
    ) -> Mapping[EnrollmentId, Approval]:
        if not isinstance(step, Approve):
            return {}
        return {
            id_: Approval(one.is_granted, one.answered_by, one.answered_at)
            for id_, one in approvals_at(self.tx, together).items()
        }

    def _asking(self, step: Step) -> tuple[str, ...]:
        is_asking = isinstance(step, Send) and self.library.survey_of_mail(step.template)
        return (step.template,) if isinstance(step, Send) and is_asking else ()

    def _write(self, decided: Sequence[tuple[Enrollment, Decision]]) -> None:
        effects = [(one, effect) for one, decision in decided for effect in decision.effects]
        done = do_in_transaction(self.tx, self.library, effects, self.now)
        for one, decision in decided:
            if said := decision.said:
                self._say(one, said.step, said.decision, said.reason, said.due_at)
            if decision.enrollment.ended is None:
                look_again_at = self._next_look(decision, done.settled)
                self.stands[one.id] = (decision.enrollment, look_again_at)
        self._end([decision.enrollment for _, decision in decided if decision.enrollment.ended])
        advanced = sum(decision.said is not None for _, decision in decided)
        self.counts += done.counts + Counts(advanced=advanced)

    def _say(self, one: Enrollment, step: str, decision: str, why: str, due_at: datetime) -> None:
        self.said.append(
            {
                "enrollment_id": one.id,
                "step": step,
                "visit": one.visit,
                "decision": decision,
                "reason": why,
                "due_at": due_at,
                "decided_at": self.now,
            }
        )

    def _next_look(self, decision: Decision, settled: Collection[EnrollmentId]) -> datetime | None:
        """At once where it moved on or its mail was refused; else when the decision says."""
        if not decision.waits or decision.enrollment.id in settled:
            return self.now
        return decision.look_again_at

    def _end(self, ended: Sequence[Enrollment]) -> None:
        for one in ended:
            self.stands.pop(one.id, None)
        close(self.tx, ended, self.now)


def _traits_read(step: Step) -> set[str]:
    """The traits that deciding this step looks at."""
    retimes = step.if_late is not None and step.if_late.do == "retime"
    match step:
        case Wait(between=None, on=()) if not retimes:
            return set()
        case WaitUntil(wait_until=until) if until.trait is not None:
            return {ZONE, until.trait.partition(".")[0]}
        case Wait() | WaitUntil():
            return {ZONE}
        case _:
            return {ZONE} if retimes else set()


def close(tx: Connection, ended: Sequence[Enrollment], now: datetime) -> None:
    """Take these out of their journeys for the reason each bears, and tell."""
    end_enrollments(tx, ended, now)
    left = [one for one in ended if one.ended != "finished"]
    cancel_queued(tx, [one.id for one in left], "the enrollment was left")
    record_own_events(tx, list(_endings(ended, now)), now)


def _endings(ended: Sequence[Enrollment], now: datetime) -> Iterable[OwnEvent]:
    for one in ended:
        what = {"journey": one.journey, "key": one.key, "enrollment_id": one.id, "ended": one.ended}
        yield OwnEvent(one.customer_id, "enrollment.ended", now, f"enrollment:{one.id}:ended", what)
