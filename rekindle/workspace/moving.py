"""Whether everybody inside a journey that moves them has a place in its new version."""

from collections.abc import Sequence

from sqlalchemy import Connection

from journeys.changes import find_unmapped
from journeys.definition import Journey
from journeys.graph import build_graph
from rekindle.workspace.library import Reading
from rekindle.workspace.problems import Problem
from store.definitions import digest_of, load_latest
from store.inside import count_held_steps


def find_homeless(connection: Connection, readings: Sequence[Reading]) -> tuple[Problem, ...]:
    """A problem for each step at which people stand and that a new version leaves them no place."""
    latest = load_latest(connection)
    return tuple(
        problem
        for reading in readings
        if isinstance(reading.value, Journey) and reading.value.in_flight == "move"
        if (known := latest.get(("journey", reading.value.journey)))
        and known.digest != digest_of(reading.file.text)
        for problem in _of(connection, reading, reading.value)
    )


def _of(connection: Connection, reading: Reading, journey: Journey) -> list[Problem]:
    held = count_held_steps(connection, journey.journey)
    return [
        Problem(
            reading.document.place(("in_flight",)),
            f"{held[step]} people stand at the step {step!r}, which this version does not have.",
            f"Say where they go: 'moved: {{{step!r}: NEW_ID}}', or write 'in_flight: pin'.",
        )
        for step in find_unmapped(build_graph(journey), held)
    ]
