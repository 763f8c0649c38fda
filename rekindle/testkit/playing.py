"""Plays the cases of a workspace, one after the other, and says how each went."""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rekindle.errors import NotFound, RekindleError
from rekindle.testkit.acts import do, introduce
from rekindle.testkit.expecting import find_failure
from rekindle.testkit.stage import EmptyStage, staged
from rekindle.testkit.timeline import timeline_of
from rekindle.testkit.warming import warm_up
from rekindle.testkit.world import World, moment_of
from rekindle.workspace.applying import NotApplied
from rekindle.workspace.cases import DEFAULT_BEGINNING, Case, CaseFile, Expect
from rekindle.workspace.folder import Workspace, load_workspace
from rekindle.workspace.library import Reading
from rekindle.workspace.problems import Problem, did_you_mean, has_errors
from rekindle.workspace.yaml import Path as FilePath


@dataclass(frozen=True)
class Played:
    """How one case went; a failed one has its problem and what happened to its customers."""

    test: str
    case: str
    took: timedelta
    problem: Problem | None = None
    timelines: Mapping[str, tuple[str, ...]] | None = None  # by customer


def play_all(
    folder: Path, environment: Mapping[str, str], names: Collection[str]
) -> Iterator[Played]:
    """Play every case of the files called `names`, or of all; yields as they are done.

    Raises NotApplied if the workspace has errors and NotFound for a name that no file has.
    """
    workspace = load_workspace(folder, environment)
    if has_errors(workspace.problems):
        raise NotApplied(workspace.problems)
    chosen = _choose(workspace, names)
    if not chosen:
        return
    zone = workspace.library.settings.brand.tz
    with staged(folder, environment) as stage:
        warm_up(stage, moment_of(DEFAULT_BEGINNING, zone).astimezone(UTC))
        for reading in chosen:
            for number, case in enumerate(reading.value.cases):
                begins = moment_of(reading.value.beginning_of(case), zone).astimezone(UTC)
                yield _play(reading, number, case, stage, begins)


def _choose(workspace: Workspace, names: Collection[str]) -> list[Reading]:
    found = {one.file.name: one for one in workspace.readings if isinstance(one.value, CaseFile)}
    for name in names:
        if name not in found:
            hint = did_you_mean(name, found)
            raise NotFound(f"no test is called {name!r}. {hint}".rstrip())
    return [one for name, one in found.items() if not names or name in names]


def _play(reading: Reading, number: int, case: Case, stage: EmptyStage, begins: datetime) -> Played:
    begun = time.perf_counter()
    stage.reset(begins, reading.value.journeys_of(case))
    world = World(stage, begins, introduce(reading.value.people_of(case), stage))
    problem = _find_problem(reading, number, case, world)
    took = timedelta(seconds=time.perf_counter() - begun)
    shown = {name: timeline_of(name, world) for name in world.people} if problem else None
    return Played(reading.file.name, case.case, took, problem, shown)


def _find_problem(reading: Reading, number: int, case: Case, world: World) -> Problem | None:
    """The first thing in the case that is not as it says; None if all of it is."""
    for index, step in enumerate(case.steps):
        path: FilePath = ("cases", number, "steps", index)
        if isinstance(step, Expect):
            if failure := _unmet(step, path, reading, world):
                return failure
            continue
        try:
            do(step, world)
        except RekindleError as error:
            return Problem(reading.document.place(path), str(error))
    return None


def _unmet(step: Expect, path: FilePath, reading: Reading, world: World) -> Problem | None:
    for index, expected in enumerate(step.expect):
        customer = world.whose(expected.customer or step.customer)
        try:
            said = find_failure(expected, customer, world)
        except RekindleError as error:
            said = str(error)
        if said:
            listed = (*path, "expect", index)
            is_listed = listed in reading.document.positions
            return Problem(reading.document.place(listed if is_listed else (*path, "expect")), said)
    return None
