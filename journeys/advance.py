"""(journey, enrollment, facts, now) -> Decision: the state machine, pure.

It takes one step a call. A step names the questions it needs; the shell answers each for a whole
batch and asks again until every enrollment waits.
"""

from datetime import datetime
from typing import NamedTuple, assert_never

from journeys.calendar import find_moment
from journeys.chance import arm_of, is_held_out
from journeys.decisions import (
    SENT,
    WAITING,
    Approval,
    AskApproval,
    CallWebhook,
    Decision,
    Effect,
    EmitEvent,
    Facts,
    Outcome,
    QueueMessage,
    Reply,
    SetTraits,
    StartJourney,
    Tell,
)
from journeys.definition import (
    Approve,
    Branch,
    Emit,
    End,
    ExitRule,
    Notify,
    OnEnters,
    OnLeaves,
    Send,
    Set,
    Split,
    Start,
    Survey,
    Wait,
    WaitFor,
    WaitUntil,
    Webhook,
    When,
)
from journeys.graph import FINISHED, SKIPPED, Graph, Node
from journeys.questions import Question, questions
from journeys.timing import next_open, wait_over_at
from rekindle.durations import write_duration
from segments.conditions.answer import Answer
from store.records import Enrollment, Said

__all__ = [  # what the shell needs, from one place
    "Approval", "AskApproval", "CallWebhook", "Decision", "Effect", "EmitEvent", "Facts", "Outcome",
    "Question", "QueueMessage", "Reply", "Said", "SetTraits", "StartJourney", "Tell", "advance",
    "is_held_out", "questions",
]  # fmt: skip


def advance(graph: Graph, enrollment: Enrollment, facts: Facts, now: datetime) -> Decision:
    """Decide a customer's next move; the same arguments always give the same decision."""
    look = Look(graph, graph.nodes[enrollment.step], enrollment, facts, now)
    return _leave(look) or _watch(look, look.stay() if facts.is_paused else _act_on_step(look))


class Look(NamedTuple):
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
        return Decision(self.enrollment, None, (), until, True)

    def go(
        self, decision: str, reason: str = "", *, way: str = "", at: datetime | None = None
    ) -> Decision:
        """Leave the step by `way`; what follows counts from `at`, or from the arrival here.

        It counts from the look only where nothing better is known: lateness must not add up.
        """
        stands = self.enrollment
        left_at = at or stands.arrived_at
        said = Said(stands.step, stands.visit, decision, reason, left_at)
        to = self.node.edge(way).to
        return Decision(
            stands.over("finished") if to == FINISHED else stands.moved(to, left_at), said
        )

    def retime(self, arrived_at: datetime, at: datetime, reason: str) -> Decision:
        """Stay at this step as if it were reached then, to be looked at again at `at`."""
        said = self._said("retimed", reason, at)
        stands = self.enrollment.moved(self.enrollment.step, arrived_at)
        return Decision(stands, said, (), at, at > self.now)

    def end(self, how: str, reason: str) -> Decision:
        return Decision(self.enrollment.over(how), self._said(how, reason, self.now))

    def _said(self, decision: str, reason: str, at: datetime) -> Said:
        return Said(self.enrollment.step, self.enrollment.visit, decision, reason, at)


def _leave(look: Look) -> Decision | None:
    if not look.facts.replies:  # neither goal nor exits were there to be asked about
        return None
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
    until, instants = decision.look_again_at, _checks(look)
    if not instants and (until is None or until > look.now):
        return decision
    ahead = [instant for instant in (until, *instants) if instant and instant > look.now]
    return decision._replace(look_again_at=min(ahead, default=None))


def _checks(look: Look) -> list[datetime]:
    """When time alone may change what was answered, or makes the goal of an absence true."""
    replies, goal = look.facts.replies, look.graph.journey.goal
    instants = [one.next_check_at for one in replies.values() if one.next_check_at]
    if goal is not None and goal.is_absence:
        instants.append(look.enrollment.started_at + goal.within)
    return instants


def _act_on_step(look: Look) -> Decision:
    if _is_skipped(look):
        return _skip(look, "only_if does not hold")
    return _if_late(look) or _at_step(look)


def _if_late(look: Look) -> Decision | None:
    """What the step's policy makes of its being late; None: it is done as ever."""
    policy = look.node.step.if_late
    if policy is None or look.facts.has_begun:
        return None
    passed = look.now - _due_at(look)
    if passed <= policy.after:
        return None
    reason = f"late by {write_duration(passed)}"
    match policy.do:
        case "send":
            return None
        case "skip":
            return _skip(look, reason)
        case "retime":
            return _retime(look, reason)
        case _:
            assert_never(policy.do)


def _due_at(look: Look) -> datetime:
    """When this step was to act: at the arrival, or where it takes time, once that is over."""
    arrived_at = look.enrollment.arrived_at
    match look.node.step:
        case Wait() as step:
            return wait_over_at(step, arrived_at, look.facts.zone)
        case WaitUntil() as step:
            return _moment(look, step) or arrived_at
        case WaitFor(up_to=up_to) | Approve(up_to=up_to):
            return arrived_at + up_to
        case _:
            return arrived_at


def _retime(look: Look, reason: str) -> Decision | None:
    """Act when the hours of the wait before it open again, as if it were due only then."""
    window = look.node.window
    open_at = next_open(look.now, window.hours, window.weekdays, look.facts.zone)
    match look.node.step:
        case WaitUntil(wait_until=until) as step if until.day is None and until.trait is None:
            anew = look._replace(enrollment=look.enrollment._replace(arrived_at=look.now))
            return look.retime(look.now, _moment(anew, step) or look.now, reason)
        case WaitUntil() | WaitFor() | Approve():  # their moment has passed
            return None
        case _ if open_at <= look.now:  # they are open: it is done, and known to be late
            return None
        case Wait(wait=duration):
            return look.retime(open_at - duration, open_at, reason)
        case _:
            return look.retime(open_at, open_at, reason)


def _at_step(look: Look) -> Decision:
    step = look.node.step
    match step:
        case Wait():
            return _at_wait(look, step)
        case Send() | Survey():
            return _at_mail(look, step)
        case WaitUntil():
            return _at_wait_until(look, step)
        case WaitFor():
            return _at_wait_for(look, step)
        case Branch():
            return _at_branch(look, step)
        case Split():
            return _at_split(look, step)
        case Approve():
            return _at_approve(look, step)
        case End(end=word):
            return look.go("ended", word or "")
        case _:
            return _act(look, *_effect_of(step))


def _effect_of(step: Start | Notify | Set | Emit | Webhook) -> tuple[Effect, str, str]:
    """What the step has done, and how the decision calls that and what it was done to."""
    match step:
        case Start(start=journey):
            return StartJourney(journey), "started", journey
        case Notify(notify=people, message=message):
            return Tell(people, message), "notified", people
        case Set(set=traits):
            return SetTraits(traits), "set", step.target
        case Emit(emit=name, properties=properties):
            return EmitEvent(name, properties), "emitted", name
        case Webhook(webhook=url, body=body):
            return CallWebhook(url, body), "called", url
        case _:
            assert_never(step)


def _is_skipped(look: Look) -> bool:
    """What was begun before `only_if` changed is not taken back here: its outcome counts."""
    condition = look.node.step.only_if
    return condition is not None and not look.facts.has_begun and not look.holds("only_if")


def _skip(look: Look, reason: str) -> Decision:
    """Where a wait is cut short, time goes on from now; the other steps take none."""
    at = look.now if isinstance(look.node.step, Wait | WaitUntil | WaitFor) else None
    return look.go("skipped", reason, way=SKIPPED, at=at)


def _at_mail(look: Look, step: Send | Survey) -> Decision:
    if withheld := _withheld(look, may_hold_out=_may_hold_out(look, step)):
        return look.go(withheld, f"would have got {step.template}")
    if look.facts.outcome is not None:
        return _after_queueing(look, look.facts.outcome)
    survey = step.survey if isinstance(step, Survey) else None
    mail = QueueMessage(step.template, look.graph.journey.topic, survey)
    return look.stay()._replace(effects=(mail,))


def _withheld(look: Look, *, may_hold_out: bool = True) -> str | None:
    """Why the step has no effect, as the decision says it: the control group, or a shadow."""
    if look.graph.journey.status == "shadow":
        return "shadowed"
    return "held_out" if look.enrollment.is_held_out and may_hold_out else None


def _may_hold_out(look: Look, step: Send | Survey) -> bool:
    """The default holdout never withholds a survey, however it is sent; one the file names does."""
    asks = isinstance(step, Survey) or step.template in look.facts.asking
    return not asks or look.graph.journey.holdout is not None


def _after_queueing(look: Look, outcome: Outcome) -> Decision:
    if outcome.status in WAITING:
        return look.stay()
    decision = "sent" if outcome.status in SENT else outcome.status
    return look.go(decision, outcome.reason, at=outcome.at or look.now)


def _at_wait(look: Look, step: Wait) -> Decision:
    over_at = wait_over_at(step, look.enrollment.arrived_at, look.facts.zone)
    return look.stay(over_at) if look.now < over_at else look.go("waited", at=over_at)


def _at_wait_until(look: Look, step: WaitUntil) -> Decision:
    moment = _moment(look, step)
    if moment is None:
        return look.go("waited", f"{step.wait_until.trait} is no date", at=look.now)
    return look.stay(moment) if look.now < moment else look.go("waited", at=moment)


def _moment(look: Look, step: WaitUntil) -> datetime | None:
    """When the wait is over; None where the customer's trait names no day."""
    enrollment = look.enrollment
    return find_moment(step.wait_until, enrollment.arrived_at, look.facts.traits, look.facts.zone)


def _at_approve(look: Look, step: Approve) -> Decision:
    over_at = look.enrollment.arrived_at + step.up_to
    if withheld := _withheld(look):
        return look.go(withheld, f"would have asked {step.approve}")
    match look.facts.approval:
        case Approval(is_granted=True, by=by, at=at):
            return look.go("approved", f"by {by}", at=at or look.now)
        case Approval(is_granted=False, by=by, at=at):
            return look.go("denied", f"by {by}", way="otherwise", at=at or look.now)
        case _ if look.now >= over_at:
            return look.go("denied", "nobody said yes in time", way="otherwise", at=over_at)
        case None:
            asked = AskApproval(step.approve, step.message, over_at)
            return look.stay(over_at)._replace(effects=(asked,))
        case _:
            return look.stay(over_at)


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
    if withheld := _withheld(look):
        return look.go(withheld, f"would have {decision} {target}")
    return look.go(decision, target)._replace(effects=(effect,))
