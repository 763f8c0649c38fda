"""The steps of a journey with their places in its file."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from journeys.definition import (
    Approve,
    Branch,
    Journey,
    Otherwise,
    Send,
    Split,
    Step,
    Survey,
    WaitFor,
    When,
)
from rekindle.workspace.yaml import Path

Placed = tuple[Path, Step]


def steps_of(journey: Journey) -> Iterator[Placed]:
    """Every step with its path, in the order of the file."""
    return _walk(journey.steps, ("steps",))


def lists_of(step: Step, path: Path) -> Iterator[tuple[Path, Sequence[Step]]]:
    """The lists of steps inside `step`, each with its path."""
    match step:
        case Branch():
            for index, arm in enumerate(step.branch):
                match arm:
                    case When():
                        yield (*path, "branch", index, "steps"), arm.steps
                    case Otherwise():
                        yield (*path, "branch", index, "otherwise"), arm.otherwise
        case Split():
            for index, share in enumerate(step.split):
                yield (*path, "split", index, "steps"), share.steps
        case WaitFor():
            yield (*path, "came"), step.came
            yield (*path, "otherwise"), step.otherwise
        case Approve():
            yield (*path, "otherwise"), step.otherwise
        case _:
            return


def _walk(steps: Sequence[Step], path: Path) -> Iterator[Placed]:
    for index, step in enumerate(steps):
        yield (*path, index), step
        for inner, below in lists_of(step, (*path, index)):
            yield from _walk(below, inner)


def surveys_asked(steps: Iterable[Step], surveys_in: Mapping[str, Collection[str]]) -> set[str]:
    """The surveys of these steps; a plain `send` of a mail that asks one is an invitation too."""
    asked: set[str] = set()
    for step in steps:
        match step:
            case Survey():
                asked.add(step.survey)
            case Send():
                asked |= set(surveys_in.get(step.template, ()))
            case _:
                pass
    return asked
