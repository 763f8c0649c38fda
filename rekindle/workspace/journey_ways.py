"""Follows the ways through one journey: what comes before a step, and what after it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from journeys.definition import (
    Approve,
    Branch,
    Emit,
    End,
    Notify,
    Send,
    Set,
    Split,
    Start,
    Step,
    Survey,
    Wait,
    WaitFor,
    WaitUntil,
    Webhook,
)
from journeys.graph import FINISHED, Graph
from rekindle.workspace.journey_steps import Placed, steps_of, surveys_asked


@dataclass(frozen=True)
class Ways:
    """The ways through a journey; they only lead on, so the file's order is theirs too."""

    graph: Graph

    @cached_property
    def steps(self) -> Mapping[str, Placed]:
        """Every step with its path, by id."""
        return dict(zip(self.graph.nodes, steps_of(self.graph.journey), strict=True))

    @cached_property
    def before(self) -> Mapping[str, frozenset[str]]:
        """By id the steps that some way passes before it comes to that one."""
        found: dict[str, frozenset[str]] = dict.fromkeys(self.graph.nodes, frozenset())
        for id_, node in self.graph.nodes.items():
            for edge in node.edges:
                if edge.to != FINISHED:
                    found[edge.to] |= found[id_] | {id_}
        return found

    @cached_property
    def idle(self) -> frozenset[str]:
        """The steps from which on nothing is done, whichever way is taken."""
        found: set[str] = set()
        for id_, node in reversed(list(self.graph.nodes.items())):
            leads_on = {edge.to for edge in node.edges} - {FINISHED}
            if not _acts(node.step) and leads_on <= found:
                found.add(id_)
        return frozenset(found)

    @cached_property
    def mails(self) -> frozenset[str]:
        """Every mail that may be sent on any way."""
        steps = (step for _path, step in self.steps.values())
        return frozenset(step.template for step in steps if isinstance(step, Send | Survey))

    def mails_before(self, id_: str) -> set[str]:
        """The mails of the steps before it."""
        steps = self._steps_before(id_)
        return {step.template for step in steps if isinstance(step, Send | Survey)}

    def surveys_before(self, id_: str, surveys_in: Mapping[str, Collection[str]]) -> set[str]:
        """The surveys that are asked before it; `surveys_in` names those of each mail."""
        return surveys_asked(self._steps_before(id_), surveys_in)

    def _steps_before(self, id_: str) -> Iterator[Step]:
        return (self.graph.nodes[one].step for one in self.before[id_])


def _acts(step: Step) -> bool:
    match step:
        case Send() | Survey() | Notify() | Set() | Emit() | Start() | Webhook() | Approve():
            return True
        case End(end=word):  # the report tells it
            return word is not None
        case Wait() | WaitUntil() | WaitFor() | Branch() | Split():
            return False


def takes_time(step: Step) -> bool:
    """Whether a customer may be found standing there."""
    return isinstance(step, Send | Survey | Wait | WaitUntil | WaitFor | Approve)
