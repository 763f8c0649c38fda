"""What a changed journey means for those inside it: which step of the new version is theirs."""

from collections import Counter
from collections.abc import Iterable, Mapping

from journeys.definition import Approve, Branch, Journey, Otherwise, Split, Step, WaitFor, When
from journeys.graph import Graph, plain_id


def place_in(graph: Graph, step: str) -> str | None:
    """Where somebody who stands at `step` of an older version stands in this one, if anywhere."""
    new = graph.journey.moved.get(step, step)
    return new if new in graph.nodes else None


def find_unmapped(graph: Graph, held: Iterable[str]) -> list[str]:
    """The steps at which people stand that this version has no place for, sorted."""
    return sorted({step for step in held if place_in(graph, step) is None})


def find_ambiguous(before: Journey, after: Journey) -> list[str]:
    """Derived ids that may mean another step than before: of equals, one more or one fewer is
    there. Each of these steps needs an `id` of its own.
    """
    old, new = count_equals(before), count_equals(after)
    return sorted(
        name
        for name, count in new.items()
        if name in old and old[name] != count and max(count, old[name]) > 1
    )


def count_equals(journey: Journey) -> Mapping[str, int]:
    """How many steps without an own id share each derived id, but for the ordinal."""
    found: Counter[str] = Counter()
    _count(journey.steps, "", found)
    return found


def _count(steps: Iterable[Step], way: str, found: Counter[str]) -> None:
    seen: Counter[str] = Counter()
    for step in steps:
        plain = plain_id(step, way)
        seen[plain] += 1
        if step.id is None:
            found[plain] += 1
        own = step.id or (f"{plain}#{seen[plain]}" if seen[plain] > 1 else plain)
        for name, below in _arms(step):
            _count(below, f"{own}.{name}.", found)


def _arms(step: Step) -> Iterable[tuple[str, Iterable[Step]]]:
    """The lists of steps inside one, named as ids name them."""
    match step:
        case Branch():
            for number, arm in enumerate(step.branch, start=1):
                match arm:
                    case When():
                        yield str(number), arm.steps
                    case Otherwise():
                        yield "otherwise", arm.otherwise
        case Split():
            for share in step.split:
                yield share.name, share.steps
        case WaitFor():
            yield "came", step.came
            yield "otherwise", step.otherwise
        case Approve():
            yield "otherwise", step.otherwise
        case _:
            return
