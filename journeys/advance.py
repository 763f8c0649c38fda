"""(journey, enrollment, facts, now) -> Decision: the state machine, pure.

It takes one step a call. A step names the questions it needs; the shell answers each for a whole
batch and asks again until every enrollment waits.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from journeys.chance import arm_of, is_held_out
from journeys.decisions import (
    SENT,
    WAITING,
    Decision,
    Effect,
    Facts,
    Outcome,
    QueueMessage,
    Reply,
    Said,
    StartJourney,
    Tell,
)
from journeys.definition import (
    Branch,
    End,
    ExitRule,
    Notify,
    OnEnters,
    OnLeaves,
    Send,
    Split,
    Start,
    Survey,
    Wait,
    WaitFor,
    When,
)
from journeys.graph import FINISHED, SKIPPED, Graph, Node
from journeys.questions import Question, questions
from journeys.timing import wait_over_at
from segments.conditions.answer import Answer
from store.records import Enrollment

__all__ = [  # what the shell needs, from one place
    "Decision",
    "Effect",
    "Facts",
    "Outcome",
    "Question",
    "QueueMessage",
    "Reply",
    "Said",
    "StartJourney",
    "Tell",
    "advance",
    "is_held_out",
    "questions",
]


def advance(graph: Graph, enrollment: Enrollment, facts: Facts, now: datetime) -> Decision:
    """Decide a customer's next move; the same arguments always give the same decision."""
    look = Look(graph, graph.nodes[enrollment.step], enrollment, facts, now)
    return _leave(look) or _watch(look, _at_step(look))


@dataclass(frozen=True)
class Look:
    """One look at one customer: everything that a decision is made of."""

    graph: Graph
    node: Node
    enrollment: Enrollment
    facts: Facts
    now: datetime

    def holds(self, question: str) -> bool:
        return self.facts.replies[question].holds

    def stay(self, until: datetime | None = None) -> Decision:
        """Wait here: until then, or until something happens."""
        return Decision(self.enrollment, look_again_at=until, waits=True)

    def go(
        self, decision: str, reason: str = "", *, way: str = "", at: datetime | None = None
    ) -> Decision:
        """Leave the step by `way`; what follows counts from `at`, or from the arrival here.

        It counts from the look only where nothing better is known: lateness must not add up.
        """
        left_at = at or self.enrollment.arrived_at
        said = self._said(decision, reason, left_at)
        to = self.node.edge(way).to
        if to == FINISHED:
            return Decision(replace(self.enrollment, ended="finished"), said)
        return Decision(replace(self.enrollment, step=to, arrived_at=left_at), said)

    def end(self, how: str, reason: str) -> Decision:
        return Decision(replace(self.enrollment, ended=how), self._said(how, reason, self.now))

    def _said(self, decision: str, reason: str, at: datetime) -> Said:
        return Said(self.enrollment.step, self.enrollment.visit, decision, reason, at)


def _leave(look: Look) -> Decision | None:
    if _is_goal_reached(look):
        return look.end("goal", "the goal was reached")
    for number, rule in enumerate(look.graph.journey.exit, start=1):
        if look.holds(f"exit {number}"):
            return look.end("exited", _exit_reason(rule))
    return None


def _is_goal_reached(look: Look) -> bool:
    goal = look.graph.journey.goal
    if goal is None or not look.holds("goal"):
        return False
    return not goal.is_absence or look.now >= look.enrollment.started_at + goal.within


def _exit_reason(rule: ExitRule) -> str:
    match rule:
        case OnLeaves(leaves=segment):
            return f"left the segment {segment}"
        case OnEnters(enters=segment):
            return f"entered the segment {segment}"
        case _:
            return "an exit of the journey came true"


def _watch(look: Look, decision: Decision) -> Decision:
    """A waiting enrollment is looked at again when time alone may change anything."""
    if not decision.waits:
        return decision
    instants = [decision.look_again_at]
    instants += [reply.next_check_at for reply in look.facts.replies.values()]
    if (goal := look.graph.journey.goal) and goal.is_absence:
        instants.append(look.enrollment.started_at + goal.within)
    ahead = [instant for instant in instants if instant is not None and instant > look.now]
    return replace(decision, look_again_at=min(ahead, default=None))


def _at_step(look: Look) -> Decision:
    step = look.node.step
    if _is_skipped(look):
        return _skip(look)
    match step:
        case Send() | Survey():
            return _at_mail(look, step)
        case Wait():
            return _at_wait(look, step)
        case WaitFor():
            return _at_wait_for(look, step)
        case Branch():
            return _at_branch(look, step)
        case Split():
            return _at_split(look, step)
        case Start(start=journey):
            return _act(look, StartJourney(journey), "started", journey)
        case Notify(notify=people, message=message):
            return _act(look, Tell(people, message), "notified", people)
        case End(end=word):
            return look.go("ended", word or "")
        case _:
            assert_never(step)


def _is_skipped(look: Look) -> bool:
    """What was queued before `only_if` changed is not taken back here: its outcome counts."""
    has_begun = look.facts.outcome is not None
    return look.node.step.only_if is not None and not has_begun and not look.holds("only_if")


def _skip(look: Look) -> Decision:
    """Where a wait is cut short, time goes on from now; the other steps take none."""
    at = look.now if isinstance(look.node.step, Wait | WaitFor) else None
    return look.go("skipped", "only_if does not hold", way=SKIPPED, at=at)


def _at_mail(look: Look, step: Send | Survey) -> Decision:
    if _is_withheld(look, step):
        return look.go("held_out", f"would have got {step.template}")
    if look.facts.outcome is not None:
        return _after_queueing(look, look.facts.outcome)
    survey = step.survey if isinstance(step, Survey) else None
    mail = QueueMessage(step.template, look.graph.journey.topic, survey)
    return replace(look.stay(), effects=(mail,))


def _is_withheld(look: Look, step: Send | Survey) -> bool:
    """The default holdout never withholds a survey; one the file names does."""
    is_meant = isinstance(step, Send) or look.graph.journey.holdout is not None
    return look.enrollment.is_held_out and is_meant


def _after_queueing(look: Look, outcome: Outcome) -> Decision:
    if outcome.status in WAITING:
        return look.stay()
    decision = "sent" if outcome.status in SENT else outcome.status
    return look.go(decision, outcome.reason, at=outcome.at or look.now)


def _at_wait(look: Look, step: Wait) -> Decision:
    over_at = wait_over_at(step, look.enrollment.arrived_at, look.facts.zone)
    return look.stay(over_at) if look.now < over_at else look.go("waited", at=over_at)


def _at_wait_for(look: Look, step: WaitFor) -> Decision:
    over_at = look.enrollment.arrived_at + step.up_to
    if look.holds("came"):
        return look.go("came", way="came", at=min(look.now, over_at))
    if reason := _why_in_vain(look, step):
        return look.go("did not come", reason, way="otherwise")
    if look.now >= over_at:
        return look.go("did not come", way="otherwise", at=over_at)
    return look.stay(over_at)


def _why_in_vain(look: Look, step: WaitFor) -> str | None:
    """Nobody answers an invitation that never left."""
    match step.wait_for:
        case Answer(answer=survey, ever=False) if survey in look.facts.refused_surveys:
            return f"the invitation to {survey} never left: {look.facts.refused_surveys[survey]}"
        case _:
            return None


def _at_branch(look: Look, step: Branch) -> Decision:
    for number, arm in enumerate(step.branch, start=1):
        if isinstance(arm, When) and look.holds(f"when {number}"):
            return look.go(f"took when {number}", way=f"when {number}")
    return look.go("took otherwise", way="otherwise")


def _at_split(look: Look, step: Split) -> Decision:
    arm = arm_of(step, look.enrollment.customer_id, look.graph.journey.journey, look.node.id)
    return look.go(f"took {arm}", "by a stable hash", way=arm)


def _act(look: Look, effect: Effect, decision: str, target: str) -> Decision:
    if look.enrollment.is_held_out:
        return look.go("held_out", f"would have {decision} {target}")
    return replace(look.go(decision, target), effects=(effect,))
