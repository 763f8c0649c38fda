"""Moves due enrollments on, in rounds over a batch, until all of them wait; one transaction.

What was decided is written before a round asks anything, and at the end: an enrollment that passes
several steps in one go is then written once.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from journeys.advance import Decision, questions, rule_at
from journeys.graph import Graph
from rekindle.clock import seconds_running
from rekindle.services import Services
from rekindle.workspace.library import Library
from store.enrollments import claim_due, end_enrollments, move_enrollments, save_decisions
from store.intake import OwnEvent, record_own_events
from store.messages import cancel_queued
from store.records import DefinitionId, Enrollment, EnrollmentId, Said
from workers.counts import Counts
from workers.effects import do_in_transaction
from workers.facts import Telling, Told
from workers.pausing import paused_journeys

BATCH = 500  # so many mails to queue take 50 ms, steps that only pass time a fifth of it
SHORT = 0.025  # seconds; another batch may follow: nobody waits 50 ms for the writer
MOST_ROUNDS = 1_000  # more steps than any journey has: a fault of ours, not of the author


def advance_due(services: Services, ids: Sequence[int] | None = None) -> Counts:
    """Advance a batch of enrollments that are due, of `ids` where they are given.

    On SQLite short batches share a commit; elsewhere other workers share what is due.
    """
    with services.store.begin() as tx:
        shares, began = tx.dialect.name == "sqlite", seconds_running()
        counts = batch = _advance_some(services, tx, ids)
        while shares and batch.looked_at == BATCH and seconds_running() - began < SHORT:
            batch = _advance_some(services, tx, ids)
            counts += batch
    return counts


def _advance_some(services: Services, tx: Connection, ids: Sequence[int] | None) -> Counts:
    """The library is asked once these are claimed: it knows every version they may stand on."""
    standing = claim_due(tx, services.clock.now(), BATCH, ids)
    if not standing:
        return Counts()
    library, now = services.library(tx), services.clock.now()
    return advance_all(tx, library, standing, now) + Counts(looked_at=len(standing))


def advance_all(
    tx: Connection, library: Library, standing: Sequence[Enrollment], now: datetime
) -> Counts:
    """Take each of these as far as it goes at `now`."""
    paused = frozenset(paused_journeys(tx, library))
    batch = Batch(tx, library, now, Telling(tx, library, now, paused))
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
    telling: Telling
    counts: Counts = field(default_factory=Counts)
    said: list[tuple[EnrollmentId, Said]] = field(default_factory=list)
    stands: dict[EnrollmentId, tuple[Enrollment, datetime | None]] = field(default_factory=dict)

    def drop_lost(self, standing: Sequence[Enrollment]) -> list[Enrollment]:
        """Those who stand somewhere; one whose step is no more has failed, and says so."""
        found: list[Enrollment] = []
        lost: list[Enrollment] = []
        for (version_id, step), together in _by_place(standing):
            graph = self.library.graph(version_id)
            is_there = graph is not None and step in graph.nodes
            (found if is_there else lost).extend(together)
        for one in lost:
            said = Said(one.step, one.visit, "failed", "this step is no more", self.now)
            self.said.append((one.id, said))
        close(self.tx, [one.over("failed") for one in lost], self.now)
        return found

    def take_a_step(self, moving: Sequence[Enrollment]) -> list[Enrollment]:
        """One step for each; those who go on."""
        stood: list[Enrollment] = []
        decisions: list[Decision] = []
        for (version_id, step), together in _by_place(moving):
            graph = self.library.graph(version_id)
            assert graph is not None  # those without one were dropped
            for facts, alike in self._told(graph, step, together):
                stood += alike
                decisions += map(rule_at(graph, step, facts, self.now), alike)
        return self._note(decisions, self._do(stood, decisions))

    def flush(self) -> None:
        """Write what was decided and where everybody stands."""
        save_decisions(self.tx, self.said, self.now)
        move_enrollments(self.tx, list(self.stands.values()))
        self.said, self.stands = [], {}

    def _told(self, graph: Graph, step: str, together: Sequence[Enrollment]) -> Iterator[Told]:
        """The facts of those at the same step, which are fetched together."""
        asked = questions(graph, step)
        if any(question.looks_at_progress for question in asked):
            self.flush()
        return self.telling.facts_at(graph, step, asked, together)

    def _do(
        self, stood: Sequence[Enrollment], decisions: Sequence[Decision]
    ) -> Collection[EnrollmentId]:
        """Have their effects; the enrollments that wait for them no more."""
        pairs = zip(stood, decisions, strict=True)
        effects = [(one, each) for one, decision in pairs for each in decision.effects]
        done = do_in_transaction(self.tx, self.library, effects, self.now)
        self.counts += done.counts
        return done.settled

    def _note(
        self, decisions: Sequence[Decision], settled: Collection[EnrollmentId]
    ) -> list[Enrollment]:
        """Keep what was said and where they stand for the next flush; those who go on.

        Those who ended have left now.
        """
        going, ended, said_before = [], [], len(self.said)
        told, places, now = self.said.append, self.stands, self.now
        for stands, said, _, look_again_at, waits in decisions:
            id_ = stands.id
            if said is not None:
                told((id_, said))
            if stands.ended is not None:
                ended.append(stands)
            elif waits:
                places[id_] = stands, now if id_ in settled else look_again_at
            else:
                places[id_] = stands, now
                going.append(stands)
        self._leave(ended)
        self.counts += Counts(advanced=len(self.said) - said_before)
        return going

    def _leave(self, ended: Sequence[Enrollment]) -> None:
        for one in ended:
            self.stands.pop(one.id, None)
        close(self.tx, ended, self.now)


def _by_place(
    moving: Sequence[Enrollment],
) -> list[tuple[tuple[DefinitionId, str], list[Enrollment]]]:
    """Those who stand at the same step of the same version, in order of these."""
    places = defaultdict(list)
    for one in moving:
        places[one.version_id, one.step].append(one)
    return sorted(places.items())


def close(tx: Connection, ended: Sequence[Enrollment], now: datetime) -> None:
    """Take these out of their journeys for the reason each bears, and tell."""
    if not ended:
        return
    end_enrollments(tx, ended, now)
    left = [one for one in ended if one.ended != "finished"]
    cancel_queued(tx, [one.id for one in left], "the enrollment was left")
    record_own_events(tx, list(_endings(ended, now)), now)


def _endings(ended: Sequence[Enrollment], now: datetime) -> Iterable[OwnEvent]:
    for one in ended:
        what = {"journey": one.journey, "key": one.key, "enrollment_id": one.id, "ended": one.ended}
        yield OwnEvent(one.customer_id, "enrollment.ended", now, f"enrollment:{one.id}:ended", what)
