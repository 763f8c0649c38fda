"""Why a customer is in a journey, or is not: each way to start it, and what stands in between."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from journeys.definition import (
    Again,
    Journey,
    OnApi,
    OnCalendar,
    OnDay,
    OnEnters,
    OnEvent,
    OnLeaves,
    Trigger,
)
from rekindle.cli.stamps import stamp
from rekindle.cli.why_effects import UndoneEffect, load_undone
from rekindle.cli.why_mails import Mail, load_mails_of
from rekindle.cli.why_paused import Pause, find_pauses
from rekindle.durations import write_duration
from rekindle.errors import NotFound
from rekindle.looking import explained, looking
from rekindle.services import Services
from rekindle.workspace.library import Library
from segments.conditions.base import ConditionBase
from segments.definition import parse_condition
from segments.paths import parse_path, walk_keys
from segments.prepared import parameters, prepare
from segments.subjects import Sort
from store.customers import find_customer
from store.events import load_timeline
from store.portraits import DecisionLine, Trip, load_trips, stood_at
from store.records import CustomerId, StoredEvent
from workers.starts import LIVE_CAUSES


@dataclass(frozen=True)
class Reason:
    """One thing that kept somebody out, and what would have to change."""

    reason: str
    change: str = ""


@dataclass(frozen=True)
class Standing:
    """One customer and one journey at an instant."""

    customer: str
    journey: str
    at: datetime
    verdict: str  # under way, held out, ended, not started
    trips: tuple[Trip, ...] = ()  # the latest first, as they stood then
    reasons: tuple[Reason, ...] = ()  # why it does not start (again)
    segments: dict[str, list[dict[str, Any]]] = field(
        default_factory=dict
    )  # condition by condition
    mails: tuple[Mail, ...] = ()
    undone: tuple[UndoneEffect, ...] = ()  # webhooks and notices that are not done
    pauses: tuple[Pause, ...] = ()  # what keeps everybody where they are

    def as_document(self) -> dict[str, Any]:
        return {
            "customer": self.customer,
            "journey": self.journey,
            "at": self.at,
            "verdict": self.verdict,
            "paused": [asdict(one) for one in self.pauses],
            "reasons": [asdict(one) for one in self.reasons],
            "segments": [
                {"segment": name, "holds": rows[0]["holds"], "conditions": rows}
                for name, rows in self.segments.items()
            ],
            "enrollments": [asdict(one) for one in self.trips],
            "messages": [asdict(one) for one in self.mails],
            "effects": [asdict(one) for one in self.undone],
        }


def stand(services: Services, external_id: str, journey: str, at: datetime) -> Standing:
    """Where the customer stood with the journey at `at`, the clock's now, and why.

    Raises NotFound for a customer or a journey that was not there.
    """
    library = services.library()
    if journey not in library.journeys or not library.versions:
        raise NotFound(f"no journey called {journey!r} was in force at {stamp(at)} UTC.")
    with services.store.read() as connection:
        customer_id = find_customer(connection, external_id)
        if customer_id is None:
            raise NotFound(f"no customer is called {external_id!r}.")
        theirs = stood_at(load_trips(connection, customer_id), at)
        trips = tuple(one for one in theirs if one.journey == journey)
        timeline = load_timeline(connection, customer_id, at)
        pauses = find_pauses(connection, library, journey, at)
        asked = _Asked(services, connection, library, library.journeys[journey], customer_id,
                       timeline, trips, at, bool(pauses))  # fmt: skip
        is_inside = bool(trips) and trips[0].ended is None
        reasons = () if is_inside else tuple(asked.reasons())
        mails = load_mails_of(connection, trips, at)
        undone = load_undone(connection, trips, at)
    segments = {} if is_inside else asked.explanations()
    return Standing(
        external_id, journey, at, _verdict(trips), trips, reasons, segments, mails, undone, pauses
    )


def _verdict(trips: Sequence[Trip]) -> str:
    """With `per` somebody may be inside several times; one trip under way is enough to be."""
    inside = [one for one in trips if one.ended is None]
    if not inside:
        return "ended" if trips else "not started"
    return "held out" if all(one.is_held_out for one in inside) else "under way"


@dataclass(frozen=True)
class _Asked:
    """Everything that the reasons are found in."""

    services: Services
    connection: Connection
    library: Library
    journey: Journey
    customer_id: CustomerId
    timeline: Sequence[StoredEvent]
    trips: Sequence[Trip]
    at: datetime
    is_paused: bool

    def reasons(self) -> Iterator[Reason]:
        """Why nothing started the customer, or nothing did once more."""
        yield from self._closed()
        for trigger in self.journey.start:
            yield from self._of_trigger(trigger)

    def explanations(self) -> dict[str, list[dict[str, Any]]]:
        """The segments that start this journey, each condition for this customer at the instant."""
        names = [one.enters for one in self.journey.start if isinstance(one, OnEnters)]
        found = {}
        for name in names:
            with looking(self.services, name) as look:
                found[name] = explained(look, name, self.customer_id)
        return found

    def _closed(self) -> Iterator[Reason]:
        lacking = "somebody resumes the journey" if self.is_paused else "that is over"
        for one in self._refusals():
            said = f"refused on {stamp(one.occurred_at)}: {one.properties.get('reason', '')}"
            yield Reason(said, f"nobody starts until {lacking}")

    def _refusals(self) -> Iterator[StoredEvent]:
        for one in self.timeline:
            is_ours = one.properties.get("journey") == self.journey.journey
            if one.name == "enrollment.refused" and is_ours:
                yield one

    def _of_trigger(self, trigger: Trigger) -> Iterator[Reason]:
        match trigger:
            case OnEnters(enters=segment):
                yield from self._of_segment("segment.entered", segment)
            case OnLeaves(leaves=segment):
                yield from self._of_segment("segment.left", segment)
            case OnEvent(event=names):
                yield from self._of_event(trigger, names)
            case OnApi():
                yield Reason("a program may start it through the API", "a program has to do so")
            case OnDay(on=day):
                yield Reason(f"starts on the day that '{day.trait}' names", "that day has to come")
            case OnCalendar(every=rule):
                said = f"starts everybody in {rule.for_} by the calendar ('{rule.cron}')"
                yield Reason(said, f"has to be in {rule.for_} at its next turn")

    def _of_segment(self, name: str, segment: str) -> Iterator[Reason]:
        word = name.partition(".")[2]
        told = [one for one in self.timeline
                if one.name == name and one.properties.get("segment") == segment]  # fmt: skip
        if not told:
            never, other = f"never {word} {segment}", f"not by having {word} {segment}, so far"
            yield Reason(self._in_view(never, other), f"has to be {_turned(word)} {segment}")
            return
        last = told[-1]
        cause = str(last.properties.get("cause"))
        if cause not in LIVE_CAUSES and not self.journey.backfill:
            yield Reason(
                f"{word} {segment} on {stamp(last.occurred_at)} because of its definition, "
                "not of anything they did",
                "'backfill: true' starts those who are in it already",
            )
        else:
            yield from self._heard(f"{word} {segment}", last)

    def _of_event(self, trigger: OnEvent, names: Sequence[str]) -> Iterator[Reason]:
        wanted = " or ".join(names)
        done = [one for one in self.timeline if trigger.names(one.name)]
        if not done:
            never, other = f"{wanted} never happened", f"not by {wanted}, which never happened"
            yield Reason(self._in_view(never, other), f"{wanted} has to happen")
            return
        tied = [one for one in done if self._has_key(one)]
        if not tied:
            yield Reason(f"{done[-1].name} came without {self.journey.per}",
                         f"the event has to bear {self.journey.per}")  # fmt: skip
            return
        fitting = [one for one in tied if not trigger.where or self._fits(trigger, one)]
        if not fitting:
            yield Reason(f"{wanted} happened, never as 'where' has it",
                         f"has to happen: {_condition(trigger).sentence}")  # fmt: skip
            return
        yield from self._heard(fitting[-1].name, fitting[-1])

    def _in_view(self, never: str, other_way: str) -> str:
        """Whoever did start came by another way, which the words must not seem to deny."""
        return other_way if self.trips else never

    def _has_key(self, one: StoredEvent) -> bool:
        per = self.journey.per
        return per is None or walk_keys(one.properties, parse_path(per).keys) is not None

    def _fits(self, trigger: OnEvent, one: StoredEvent) -> bool:
        statement = prepare(_condition(trigger), Sort.EVENT, self.library.lexicon)
        rows = self.connection.execute(statement, parameters([one.id], self.at))
        return any(row.holds for row in rows)

    def _heard(self, what: str, last: StoredEvent) -> Iterator[Reason]:
        """The start came; what remains is when, and whether it may start again."""
        applied_at = self.library.applied_at.get(self.journey.journey)
        happened = f"{what} on {stamp(last.occurred_at)}"
        if applied_at is not None and last.known_at < applied_at:
            yield Reason(
                f"{happened}, before the journey was applied on {stamp(applied_at)}",
                "it has to happen again",
            )
        elif self.trips:
            yield self._again(happened)
        elif any(one.known_at >= last.known_at for one in self._refusals()):
            yield Reason(f"{happened}, and was refused", "it has to happen again")
        else:
            yield Reason(f"{happened}, and the engine has not looked at it", "'rekindle run' does")

    def _again(self, happened: str) -> Reason:
        last = self.trips[0]
        if last.started_at >= self.at:
            return Reason(happened)
        return _may_start(self.journey.again, last, happened)


def _condition(trigger: OnEvent) -> ConditionBase:
    return parse_condition({"event": list(trigger.event), "where": dict(trigger.where)})


def _may_start(again: Again, last: Trip, happened: str) -> Reason:
    started = f"started before, on {stamp(last.started_at)}"
    match again.rule:
        case "never":
            return Reason(f"{started}, and 'again' is never", "'again' has to allow it")
        case "after":
            assert again.after is not None
            wait = f"again: after {write_duration(again.after)}"
            free_at = last.started_at + again.after
            return Reason(f"{started}; '{wait}'", f"may start from {stamp(free_at)} on")
        case "after_exit" | "always":
            return Reason(f"{happened} and {started}", "it has to happen once more")


def _turned(word: str) -> str:
    return {"entered": "in", "left": "out of"}.get(word, word)


def decision_line(line: DecisionLine) -> str:
    """`2026-03-02 09:00  send:hello: refused (no address)`."""
    reason = f" ({line.reason})" if line.reason else ""
    return f"{stamp(line.decided_at)}  {line.step}: {line.decision}{reason}"
