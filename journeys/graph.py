"""The checked, immutable journey: every step a node with a stable id, every way out an edge."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from journeys.definition import (
    Approve,
    Branch,
    End,
    Hours,
    Journey,
    Otherwise,
    Split,
    Step,
    Wait,
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
class Window:
    """Hours and weekdays in the customer's zone; nothing said is always."""

    hours: Hours | None = None
    weekdays: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """One step at its place; `edges` are in the order in which they are tried."""

    id: str
    step: Step
    edges: tuple[Edge, ...]
    window: "Window"  # when the wait before it lets people go: what is late comes back into it

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

    @cached_property
    def retimes(self) -> bool:
        """Whether any step is put off to other hours when it is late."""
        rules = (node.step.if_late for node in self.nodes.values())
        return any(rule is not None and rule.do == "retime" for rule in rules)


class DuplicateStep(ValueError):
    """Two steps were given the same id."""


def build_graph(journey: Journey) -> Graph:
    """Flatten `journey`; steps after a branch are where all of its arms meet again.

    A derived id is the way to the step (`branch.otherwise`), its kind and target, and its ordinal
    among equals there, so inserting a different step elsewhere does not change it. Raises
    DuplicateStep.
    """
    laying = _Laying({})
    first = laying.lay(journey.steps, "", FINISHED, Window())
    return Graph(journey, first, laying.nodes)


@dataclass(frozen=True)
class _Laying:
    """The nodes so far, in the order of the file."""

    nodes: dict[str, Node]

    def lay(self, steps: Sequence[Step], way: str, after: str, window: Window) -> str:
        """Add `steps`, the last leading to `after`; the id of the first, or `after` for none."""
        ids = list(_ids(steps, way))
        for position, (id_, step) in enumerate(zip(ids, steps, strict=True)):
            following = ids[position + 1] if position + 1 < len(ids) else after
            if id_ in self.nodes:
                raise DuplicateStep(f"two steps are called '{id_}'")
            if isinstance(step, Wait):
                window = Window(step.between, step.on)
            self.nodes[id_] = Node(id_, step, (), window)  # holds the place in the file's order
            may_pass = step.only_if is not None or step.if_late is not None
            past = (Edge(SKIPPED, following),) if may_pass else ()
            edges = (*self._edges(step, id_, following, window), *past)
            self.nodes[id_] = Node(id_, step, edges, window)
        return ids[0] if ids else after

    def _edges(self, step: Step, id_: str, after: str, window: Window) -> tuple[Edge, ...]:
        match step:
            case Branch():
                return self._branch_edges(step, id_, after, window)
            case Split():
                return tuple(
                    Edge(arm.name, self.lay(arm.steps, f"{id_}.{arm.name}.", after, window))
                    for arm in step.split
                )
            case WaitFor():
                return (
                    Edge("came", self.lay(step.came, f"{id_}.came.", after, window)),
                    Edge("otherwise", self.lay(step.otherwise, f"{id_}.otherwise.", after, window)),
                )
            case Approve():  # nothing that follows goes without a yes
                refused = self.lay(step.otherwise, f"{id_}.otherwise.", FINISHED, window)
                return (Edge("", after), Edge("otherwise", refused))
            case End():
                return (Edge("", FINISHED),)
            case _:
                return (Edge("", after),)

    def _branch_edges(self, step: Branch, id_: str, after: str, window: Window) -> tuple[Edge, ...]:
        edges = []
        for number, arm in enumerate(step.branch, start=1):
            match arm:
                case When():
                    to = self.lay(arm.steps, f"{id_}.{number}.", after, window)
                    edges.append(Edge(f"when {number}", to))
                case Otherwise():
                    to = self.lay(arm.otherwise, f"{id_}.otherwise.", after, window)
                    edges.append(Edge("otherwise", to))
        if not any(edge.label == "otherwise" for edge in edges):
            edges.append(Edge("otherwise", after))
        return tuple(edges)


def _ids(steps: Sequence[Step], way: str) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for step in steps:
        plain = plain_id(step, way)
        seen[plain] += 1
        ordinal = f"#{seen[plain]}" if seen[plain] > 1 else ""
        yield step.id or f"{plain}{ordinal}"


def plain_id(step: Step, way: str) -> str:
    """The way to a step, its kind and target: its derived id but for the ordinal among equals."""
    return f"{way}{step.kind}" + (f":{step.target}" if step.target else "")
