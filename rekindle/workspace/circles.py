"""Journeys that start each other for ever: every way round must have a wait in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter

from journeys.definition import (
    Approve,
    Emit,
    Journey,
    OnEvent,
    Start,
    Step,
    Wait,
    WaitFor,
    WaitUntil,
)
from rekindle.workspace.journey_steps import lists_of
from rekindle.workspace.library import Reading
from rekindle.workspace.problems import Problem
from rekindle.workspace.ways import find_circles
from rekindle.workspace.yaml import Path

RESTARTS = ("always", "after_exit")  # of the rules of `again` those that need no time to pass


@dataclass(frozen=True)
class Onward:
    """A step that starts another journey in the same instant in which this one started."""

    to: str
    path: Path
    reading: Reading


def check_circles(readings: Sequence[Reading]) -> Iterator[Problem]:
    """One problem for each circle that nothing slows down, at its first step."""
    journeys = [one for one in readings if isinstance(one.value, Journey)]
    onward = {one.value.journey: list(_onward(one, journeys)) for one in journeys}
    for name, way in find_circles(onward, attrgetter("to")):
        round_trip = " → ".join((name, *(step.to for step in way)))
        said = f"journeys start each other without end: {round_trip}."
        hint = "Put a wait between them, or do not let them start 'again' at once."
        yield Problem(way[0].reading.document.place(way[0].path), said, hint)


def _onward(reading: Reading, journeys: Sequence[Reading]) -> Iterator[Onward]:
    for path, step in _at_once(reading.value.steps, ("steps",)):
        for other in journeys:
            if other.value.again.rule in RESTARTS and _starts(step, other.value):
                yield Onward(other.value.journey, (*path, step.kind), reading)


def _starts(step: Step, journey: Journey) -> bool:
    match step:
        case Start(start=name):
            return name == journey.journey
        case Emit(emit=name):
            heard = [one for one in journey.start if isinstance(one, OnEvent)]
            return any(trigger.names(name) for trigger in heard)
        case _:
            return False


def _at_once(steps: Sequence[Step], path: Path) -> Iterator[tuple[Path, Step]]:
    """The steps that are reached before any time has to pass."""
    for index, step in enumerate(steps):
        yield (*path, index), step
        for inner, below in lists_of(step, (*path, index)):
            yield from _at_once(below, inner)
        if _takes_time(step):
            return


def _takes_time(step: Step) -> bool:
    match step:
        case Wait(wait=duration):
            return duration > timedelta(0) and step.only_if is None
        case WaitUntil() | Approve():
            return step.only_if is None
        case WaitFor():
            return False  # what it waits for may come at once
        case _:
            return False
