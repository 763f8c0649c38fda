"""Facts of its event, and of customers, that a journey's mails write: is there anybody with them?

Who starts without them gets no mail at all, so what surely nobody brings is an error.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from journeys.definition import (
    Journey,
    OnApi,
    OnCalendar,
    OnDay,
    OnEnters,
    OnEvent,
    OnLeaves,
    Set,
    Start,
    Trigger,
)
from rekindle.workspace.journey_steps import steps_of
from rekindle.workspace.library import Library, Reading
from rekindle.workspace.mail_reading import CUSTOMER, EVENT, MailReader
from rekindle.workspace.problems import Place, Problem, did_you_mean
from rekindle.workspace.seen import Seen
from rekindle.workspace.yaml import Document
from templates.context import ALWAYS_THERE
from templates.needs import Need

OF_EVERY_EVENT = frozenset({"name", "occurred_at"})
OF_SEGMENTS = frozenset({"segment", "cause"})  # what entering and leaving one says
REQUESTED = "journey.requested"  # what a start by a program is stored as


@dataclass(frozen=True)
class UnguardedFact:
    """One fact that a step's mail or notice writes unguarded, and where the step names it."""

    place: Place
    need: Need

    def problem(self, said: str, *, is_error: bool = False) -> Problem:
        hint = f"{self._where}Start with an event that has it, or write {self._guarded(EVENT)}."
        words = f"this shows event.{self.need.fact}, {said}"
        return Problem(self.place, words, hint, "error" if is_error else "warning")

    def unknown_trait(self, traits: Collection[str]) -> Problem:
        near = did_you_mean(self.need.fact, traits)
        advice = f"{near or 'Who lacks it gets no mail.'} Or write {self._guarded(CUSTOMER)}."
        words = f"this shows customer.{self.need.fact}, which no customer ever had."
        return Problem(self.place, words, f"{self._where}{advice}", "warning")

    @property
    def _where(self) -> str:
        place = self.need.place
        return "" if place.template == "message" else f"{place} writes it. "

    def _guarded(self, owner: str) -> str:
        return f"{{{{ {owner}.{self.need.fact} | default('') }}}}"


def check_facts(journey: Journey, document: Document, library: Library) -> Iterator[Problem]:
    """Mails and notices that write what a start without an event, or with a segment's, lacks."""
    if journey.status == "draining":  # whoever is inside may have come by another start
        return
    starts = [(_words(one), _facts(one)) for one in journey.start]
    if journey.backfill:  # there was no event either
        starts.append(("because they are in the segment already", frozenset()))
    is_fed = any(facts is None for _, facts in starts) or _is_started(journey, library)
    for shown in _unguarded(journey, document, library):
        lacking = [
            words for words, facts in starts if facts is not None and shown.need.fact not in facts
        ]
        if lacking and (is_fed or len(lacking) < len(starts)):
            yield shown.problem(f"which whoever starts {lacking[0]} does not have.")
        elif lacking:
            said = "which no start of this journey brings."
            yield shown.problem(said, is_error=shown.need.is_always)


def check_seen_facts(
    readings: Sequence[Reading], library: Library, seen: Seen | None
) -> Iterator[Problem]:
    """Mails and notices that write what no event that starts their journey had lately.

    Nobody can know what a program will say that starts one; what none has said yet is told.
    """
    for reading in readings:
        if isinstance(journey := reading.value, Journey):
            for shown in _unguarded(journey, reading.document, library):
                for trigger in journey.start:
                    yield from _check_seen(shown, trigger, journey, seen)


def check_seen_traits(
    readings: Sequence[Reading], library: Library, seen: Seen
) -> Iterator[Problem]:
    """Mails and notices that write a trait which nobody ever had: nobody would get them."""
    if not seen.traits:
        return
    known = {*seen.traits, *_written(library), *ALWAYS_THERE}
    for reading in readings:
        if isinstance(journey := reading.value, Journey):
            for shown in _unguarded(journey, reading.document, library, CUSTOMER):
                if shown.need.fact not in known:
                    yield shown.unknown_trait(known)


def _written(library: Library) -> Iterator[str]:
    """The traits that steps write themselves: they come sooner or later."""
    for journey in library.journeys.values():
        for _path, step in steps_of(journey):
            if isinstance(step, Set):
                yield from step.set


def events_of_starts(library: Library, known: Sequence[str]) -> set[str]:
    """Those of the known events that start a journey, or stand for a program that did."""
    triggers = [one for journey in library.journeys.values() for one in journey.start]
    on_events = [one for one in triggers if isinstance(one, OnEvent)]
    return {REQUESTED, *(name for name in known if any(one.names(name) for one in on_events))}


def _check_seen(
    shown: UnguardedFact, trigger: Trigger, journey: Journey, seen: Seen | None
) -> Iterator[Problem]:
    fact = shown.need.fact
    latest = seen.latest if seen else {}
    match trigger:
        case OnApi() if fact != journey.per and fact not in OF_EVERY_EVENT:
            ours = [o for o in latest.get(REQUESTED, ()) if o.get("journey") == journey.journey]
            if not any(fact in one for one in ours):
                yield shown.problem("which a program that starts it by 'api' has to send.")
        case OnEvent() if fact not in OF_EVERY_EVENT:
            for name in sorted(name for name in latest if trigger.names(name)):
                if latest[name] and not any(fact in one for one in latest[name]):
                    yield shown.problem(f"which none of the latest events {name!r} had.")
        case _:
            pass


def _words(trigger: Trigger) -> str:
    match trigger:
        case OnEnters(enters=segment):
            return f"by entering {segment!r}"
        case OnLeaves(leaves=segment):
            return f"by leaving {segment!r}"
        case OnCalendar() | OnDay():
            return "by the calendar"
        case OnEvent() | OnApi():
            return ""


def _facts(trigger: Trigger) -> frozenset[str] | None:
    """What `event` has after such a start; None where nobody can list it."""
    match trigger:
        case OnEvent() | OnApi():
            return None
        case OnEnters() | OnLeaves():
            return OF_EVERY_EVENT | OF_SEGMENTS
        case OnCalendar() | OnDay():  # there was no event
            return frozenset()


def _is_started(journey: Journey, library: Library) -> bool:
    """Another journey may start it, with an event of its own."""
    return any(
        isinstance(step, Start) and step.start == journey.journey
        for other in library.journeys.values()
        for _path, step in steps_of(other)
    )


def _unguarded(
    journey: Journey, document: Document, library: Library, owner: str = EVENT
) -> Iterator[UnguardedFact]:
    """Each fact of the owner once a step: in preference one that is always written."""
    reader = MailReader(library)
    for path, step in steps_of(journey):
        if shown := reader.shown_by(step, path, document):
            firsts: dict[str, Need] = {}
            needs = shown.needs if owner == EVENT else shown.traits
            for need in sorted(needs, key=_rank):
                firsts.setdefault(need.fact, need)
            yield from (UnguardedFact(shown.place, need) for need in firsts.values())


def _rank(need: Need) -> tuple[str, bool, str, int]:
    return need.fact, not need.is_always, need.place.template, need.place.line
