"""The checked, immutable journey: every step a node with a stable id, every way out an edge."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from journeys.definition import (
    Branch,
    End,
    Journey,
    Otherwise,
    Split,
    Step,
    WaitFor,
    When,
)

FINISHED = ""  # where an edge leads that leaves the journey
SKIPPED = "skipped"  # the way past a step whose `only_if` does not hold


@dataclass(frozen=True)
class Edge:
    """A way out of a node: `came`, `otherwise`, `when 1`, an arm's name, or nothing for the only
    way.
    """

    label: str
    to: str  # a node's id, or FINISHED


@dataclass(frozen=True)
class Node:
    """One step at its place; `edges` are in the order in which they are tried."""

    id: str
    step: Step
    edges: tuple[Edge, ...]

    def edge(self, label: str = "") -> Edge:
        """The way called `label`. Raises KeyError if there is none: a programmer's mistake."""
        for edge in self.edges:
            if edge.label == label:
                return edge
        raise KeyError(f"{self.id} has no way called {label!r}")


@dataclass(frozen=True)
class Graph:
    """A journey, flat: where it begins and all its nodes by id."""

    journey: Journey
    first: str
    nodes: Mapping[str, Node]


class DuplicateStep(ValueError):
    """Two steps were given the same id."""


def build_graph(journey: Journey) -> Graph:
    """Flatten `journey`; steps after a branch are where all of its arms meet again.

    A derived id is the way to the step (`branch.otherwise`), its kind and target, and its ordinal
    among equals there, so inserting a different step elsewhere does not change it. Raises
    DuplicateStep.
    """
    nodes: dict[str, Node] = {}
    first = _lay(journey.steps, "", FINISHED, nodes)
    return Graph(journey, first, nodes)


def _lay(steps: Sequence[Step], way: str, after: str, nodes: dict[str, Node]) -> str:
    """Add `steps` to `nodes`, the last leading to `after`; the id of the first, or `after` for
    none.
    """
    ids = list(_ids(steps, way))
    for position, (id_, step) in enumerate(zip(ids, steps, strict=True)):
        following = ids[position + 1] if position + 1 < len(ids) else after
        if id_ in nodes:
            raise DuplicateStep(f"two steps are called '{id_}'")
        nodes[id_] = Node(id_, step, ())  # holds the place, so that order is the file's
        past = (Edge(SKIPPED, following),) if step.only_if is not None else ()
        nodes[id_] = Node(id_, step, (*_edges(step, id_, following, nodes), *past))
    return ids[0] if ids else after


def _ids(steps: Sequence[Step], way: str) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for step in steps:
        plain = f"{way}{step.kind}" + (f":{step.target}" if step.target else "")
        seen[plain] += 1
        ordinal = f"#{seen[plain]}" if seen[plain] > 1 else ""
        yield step.id or f"{plain}{ordinal}"


def _edges(step: Step, id_: str, after: str, nodes: dict[str, Node]) -> tuple[Edge, ...]:
    match step:
        case Branch():
            return _branch_edges(step, id_, after, nodes)
        case Split():
            return tuple(
                Edge(arm.name, _lay(arm.steps, f"{id_}.{arm.name}.", after, nodes))
                for arm in step.split
            )
        case WaitFor():
            return (
                Edge("came", _lay(step.came, f"{id_}.came.", after, nodes)),
                Edge("otherwise", _lay(step.otherwise, f"{id_}.otherwise.", after, nodes)),
            )
        case End():
            return (Edge("", FINISHED),)
        case _:
            return (Edge("", after),)


def _branch_edges(step: Branch, id_: str, after: str, nodes: dict[str, Node]) -> tuple[Edge, ...]:
    edges = []
    for number, arm in enumerate(step.branch, start=1):
        match arm:
            case When():
                edges.append(
                    Edge(f"when {number}", _lay(arm.steps, f"{id_}.{number}.", after, nodes))
                )
            case Otherwise():
                edges.append(
                    Edge("otherwise", _lay(arm.otherwise, f"{id_}.otherwise.", after, nodes))
                )
    if not any(edge.label == "otherwise" for edge in edges):
        edges.append(Edge("otherwise", after))
    return tuple(edges)
