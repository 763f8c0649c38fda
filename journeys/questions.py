"""The conditions that must be answered before an enrollment can be advanced."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from journeys.definition import Branch, ExitRule, OnEnters, OnLeaves, Step, WaitFor, When
from journeys.graph import Graph
from segments.conditions.base import walk
from segments.definition import Condition, parse_condition
from segments.subjects import Scope, Window


@dataclass(frozen=True)
class Question:
    """A condition that a step needs answered.

    `until` bounds the instant it is asked for, counted from the start or the arrival.
    """

    name: str
    condition: Condition
    scope: Scope
    per: str | None = None
    since: Literal["start", "arrival"] = "start"
    until: timedelta | None = None

    @property
    def window(self) -> Window | None:
        """How long this is asked about, from the start or the arrival; None: for ever."""
        return None if self.until is None else Window(self.since, self.until)

    @property
    def looks_at_progress(self) -> bool:
        """Whether its answer depends on where enrollments stand or on what was decided of them."""
        is_of_arrival = self.scope is Scope.SINCE_ARRIVAL or self.since == "arrival"
        return is_of_arrival or any(one.named_steps for _, one in walk(self.condition))


def questions(graph: Graph, step: str) -> tuple[Question, ...]:
    """What must be known to advance an enrollment that stands at `step`."""
    asked = graph.nodes[step].step
    return (*_of_exits(graph), *_of_goal(graph), *_of_only_if(graph, asked), *_of(graph, asked))


def _of_exits(graph: Graph) -> tuple[Question, ...]:
    journey = graph.journey
    return tuple(
        _exit_question(f"exit {number}", rule, journey.per)
        for number, rule in enumerate(journey.exit, start=1)
    )


def _exit_question(name: str, rule: ExitRule, per: str | None) -> Question:
    match rule:
        case OnLeaves(leaves=segment):  # a segment is about a customer: no key ties its events
            return Question(name, segment_change("segment.left", segment), Scope.SINCE_START)
        case OnEnters(enters=segment):
            return Question(name, segment_change("segment.entered", segment), Scope.SINCE_START)
        case condition:
            return Question(name, condition, Scope.SINCE_START, per)


def segment_change(event: str, segment: str) -> Condition:
    """The condition that our own event about `segment` happened."""
    return parse_condition({"event": event, "where": {"segment": segment}})


def _of_goal(graph: Graph) -> tuple[Question, ...]:
    goal, per = graph.journey.goal, graph.journey.per
    if goal is None:
        return ()
    return (Question("goal", goal.condition, Scope.SINCE_START, per, "start", goal.within),)


def _of_only_if(graph: Graph, step: Step) -> tuple[Question, ...]:
    if step.only_if is None:
        return ()
    return (Question("only_if", step.only_if, Scope.HISTORY, graph.journey.per),)


def _of(graph: Graph, step: Step) -> tuple[Question, ...]:
    per = graph.journey.per
    match step:
        case WaitFor(wait_for=condition, up_to=up_to):
            return (Question("came", condition, Scope.SINCE_ARRIVAL, per, "arrival", up_to),)
        case Branch(branch=arms):
            return tuple(
                Question(f"when {number}", arm.when, Scope.HISTORY, per)
                for number, arm in enumerate(arms, start=1)
                if isinstance(arm, When)
            )
        case _:
            return ()
