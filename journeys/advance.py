"""(journey, enrollment, facts, now) -> Decision: the state machine, pure.

It takes one step a call. A step names the questions it needs; the shell answers each for a whole
batch and asks again until every enrollment waits. What a decision owes to the step, the facts and
the instant is worked out once for all of whom these are the same: what is left is a `Rule`.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import assert_never

from journeys.calendar import find_moment
from journeys.chance import arm_by, is_held_out
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
    IfLate,
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
from journeys.graph import SKIPPED, Graph
from journeys.look import Look, Rule, stay
from journeys.questions import Question, questions
from journeys.timing import next_open, wait_over, wait_over_at
from rekindle.durations import write_duration
from segments.conditions.answer import Answer
from store.records import Enrollment, Said

__all__ = [  # what the shell needs, from one place
    "Approval", "AskApproval", "CallWebhook", "Decision", "Effect", "EmitEvent", "Facts", "Outcome",
    "Question", "QueueMessage", "Reply", "Said", "SetTraits", "StartJourney", "Tell", "advance",
    "is_held_out", "questions", "rule_at",
]  # fmt: skip


def advance(graph: Graph, enrollment: Enrollment, facts: Facts, now: datetime) -> Decision:
    """Decide a customer's next move; the same arguments always give the same decision."""
    return rule_at(graph, enrollment.step, facts, now)(enrollment)


def rule_at(graph: Graph, step: str, facts: Facts, now: datetime) -> Rule:
    """What `advance` decides about anybody who stands at `step` and of whom these are the facts."""
    look = Look(graph, graph.nodes[step], facts, now)
    if not facts.replies:  # neither goal nor exits were there to be asked about
        return _acting(look)
    return _unless_goal(look, _exit(look) or _watched(look, _acting(look)))


def _unless_goal(look: Look, rule: Rule) -> Rule:
    """Those who reached the goal leave; an absence is known only once its time is over."""
    goal = look.graph.journey.goal
    if goal is None or not look.holds("goal"):
        return rule
    end = look.ending("goal", "the goal was reached")
    if not goal.is_absence:
        return end
    return lambda one: end(one) if look.now >= one.started_at + goal.within else rule(one)


def _exit(look: Look) -> Rule | None:
    for number, exit_ in enumerate(look.graph.journey.exit, start=1):
        if look.holds(f"exit {number}"):
            return look.ending("exited", _exit_reason(exit_))
    return None


def _exit_reason(rule: ExitRule) -> str:
    match rule:
        case OnLeaves(leaves=segment):
            return f"left the segment {segment}"
        case OnEnters(enters=segment):
            return f"entered the segment {segment}"
        case _:
            return "an exit of the journey came true"


def _watched(look: Look, rule: Rule) -> Rule:
    """A waiting enrollment is looked at again when time alone may change anything."""
    goal = look.graph.journey.goal
    checks = [one.next_check_at for one in look.facts.replies.values() if one.next_check_at]
    within = goal.within if goal is not None and goal.is_absence else None
    if not checks and within is None:
        return rule

    def watch(one: Enrollment) -> Decision:
        decision = rule(one)
        if not decision.waits:
            return decision
        over_at = None if within is None else one.started_at + within
        instants = (decision.look_again_at, over_at, *checks)
        ahead = [instant for instant in instants if instant and instant > look.now]
        return decision._replace(look_again_at=min(ahead, default=None))

    return watch


def _acting(look: Look) -> Rule:
    if look.facts.is_paused:
        return stay
    if _is_skipped(look):
        return _skipping(look, "only_if does not hold")
    return _unless_late(look, _at_step(look))


def _unless_late(look: Look, rule: Rule) -> Rule:
    """What the step's policy makes of its being late; where that is nothing, what it ever does."""
    policy = look.node.step.if_late
    if policy is None or look.facts.has_begun:
        return rule

    def judge(one: Enrollment) -> Decision:
        passed = look.now - _due_at(look, one)
        late = _late(look, one, policy, passed) if passed > policy.after else None
        return late or rule(one)

    return judge


def _late(look: Look, one: Enrollment, policy: IfLate, passed: timedelta) -> Decision | None:
    reason = f"late by {write_duration(passed)}"
    match policy.do:
        case "send":
            return None
        case "skip":
            return _skipping(look, reason)(one)
        case "retime":
            return _retime(look, one, reason)
        case _:
            assert_never(policy.do)


def _due_at(look: Look, one: Enrollment) -> datetime:
    """When this step was to act: at the arrival, or where it takes time, once that is over."""
    match look.node.step:
        case Wait() as step:
            return wait_over_at(step, one.arrived_at, look.facts.zone)
        case WaitUntil() as step:
            return _moment(look, one, step) or one.arrived_at
        case WaitFor(up_to=up_to) | Approve(up_to=up_to):
            return one.arrived_at + up_to
        case _:
            return one.arrived_at


def _retime(look: Look, one: Enrollment, reason: str) -> Decision | None:
    """Act when the hours of the wait before it open again, as if it were due only then."""
    window = look.node.window
    open_at = next_open(look.now, window.hours, window.weekdays, look.facts.zone)
    match look.node.step:
        case WaitUntil(wait_until=until) as step if until.day is None and until.trait is None:
            moment = _moment(look, one._replace(arrived_at=look.now), step)
            return look.retime(one, look.now, moment or look.now, reason)
        case WaitUntil() | WaitFor() | Approve():  # their moment has passed
            return None
        case _ if open_at <= look.now:  # they are open: it is done, and known to be late
            return None
        case Wait(wait=duration):
            return look.retime(one, open_at - duration, open_at, reason)
        case _:
            return look.retime(one, open_at, open_at, reason)


def _at_step(look: Look) -> Rule:
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
            return look.going("ended", word or "")
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


def _skipping(look: Look, reason: str) -> Rule:
    """Where a wait is cut short, time goes on from now; the other steps take none."""
    at = look.now if isinstance(look.node.step, Wait | WaitUntil | WaitFor) else None
    return look.going("skipped", reason, way=SKIPPED, at=at)


def _at_mail(look: Look, step: Send | Survey) -> Rule:
    would = f"would have got {step.template}"
    may_hold_out = _may_hold_out(look, step)
    return _unless_withheld(look, would, _mailing(look, step), may_hold_out=may_hold_out)


def _mailing(look: Look, step: Send | Survey) -> Rule:
    """Queue it, stay until it is known what becomes of it, and go on."""
    outcome = look.facts.outcome
    if outcome is None:
        survey = step.survey if isinstance(step, Survey) else None
        mail = QueueMessage(step.template, look.graph.journey.topic, survey)
        return lambda one: stay(one, effects=(mail,))
    if outcome.status in WAITING:
        return stay
    decision = "sent" if outcome.status in SENT else outcome.status
    return look.going(decision, outcome.reason, at=outcome.at or look.now)


def _unless_withheld(look: Look, would: str, rule: Rule, *, may_hold_out: bool = True) -> Rule:
    """What the step does, but not for the control group, and in a shadow for nobody."""
    if look.graph.journey.status == "shadow":
        return look.going("shadowed", would)
    if not may_hold_out:
        return rule
    held_out = look.going("held_out", would)
    return lambda one: held_out(one) if one.is_held_out else rule(one)


def _may_hold_out(look: Look, step: Send | Survey) -> bool:
    """The default holdout never withholds a survey, however it is sent; one the file names does."""
    asks = isinstance(step, Survey) or step.template in look.facts.asking
    return not asks or look.graph.journey.holdout is not None


def _at_wait(look: Look, step: Wait) -> Rule:
    leave, now = look.leaving("waited"), look.now
    over = cache(wait_over(step, look.facts.zone))  # many arrived together

    def wait(one: Enrollment) -> Decision:
        over_at = over(one.arrived_at)
        return stay(one, over_at) if now < over_at else leave(one, over_at)

    return wait


def _at_wait_until(look: Look, step: WaitUntil) -> Rule:
    leave, trait = look.leaving("waited"), step.wait_until.trait
    in_vain = look.going("waited", f"{trait} is no date", at=look.now)

    def wait(one: Enrollment) -> Decision:
        moment = _moment(look, one, step)
        if moment is None:
            return in_vain(one)
        return stay(one, moment) if look.now < moment else leave(one, moment)

    return wait


def _moment(look: Look, one: Enrollment, step: WaitUntil) -> datetime | None:
    """When the wait is over; None where the customer's trait names no day."""
    return find_moment(step.wait_until, one.arrived_at, look.facts.traits, look.facts.zone)


def _at_approve(look: Look, step: Approve) -> Rule:
    return _unless_withheld(look, f"would have asked {step.approve}", _approving(look, step))


def _approving(look: Look, step: Approve) -> Rule:
    match look.facts.approval:
        case Approval(is_granted=True, by=by, at=at):
            return look.going("approved", f"by {by}", at=at or look.now)
        case Approval(is_granted=False, by=by, at=at):
            return look.going("denied", f"by {by}", way="otherwise", at=at or look.now)
        case _:
            return _awaiting_approval(look, step, is_asked=look.facts.approval is not None)


def _awaiting_approval(look: Look, step: Approve, *, is_asked: bool) -> Rule:
    deny = look.leaving("denied", "nobody said yes in time", way="otherwise")

    def wait(one: Enrollment) -> Decision:
        over_at = one.arrived_at + step.up_to
        if look.now >= over_at:
            return deny(one, over_at)
        asked = AskApproval(step.approve, step.message, over_at)
        return stay(one, over_at, () if is_asked else (asked,))

    return wait


def _at_wait_for(look: Look, step: WaitFor) -> Rule:
    if look.holds("came"):
        come = look.leaving("came", way="came")
        return lambda one: come(one, min(look.now, one.arrived_at + step.up_to))
    if reason := _why_in_vain(look, step):
        return look.going("did not come", reason, way="otherwise")
    give_up = look.leaving("did not come", way="otherwise")

    def wait(one: Enrollment) -> Decision:
        over_at = one.arrived_at + step.up_to
        return give_up(one, over_at) if look.now >= over_at else stay(one, over_at)

    return wait


def _why_in_vain(look: Look, step: WaitFor) -> str | None:
    """Nobody answers an invitation that never left; in a shadow one would have."""
    match step.wait_for:
        case _ if look.graph.journey.status == "shadow":
            return None
        case Answer(answer=survey, ever=False) if survey in look.facts.refused_surveys:
            return f"the invitation to {survey} never left: {look.facts.refused_surveys[survey]}"
        case _:
            return None


def _at_branch(look: Look, step: Branch) -> Rule:
    for number, arm in enumerate(step.branch, start=1):
        if isinstance(arm, When) and look.holds(f"when {number}"):
            return look.going(f"took when {number}", way=f"when {number}")
    return look.going("took otherwise", way="otherwise")


def _at_split(look: Look, step: Split) -> Rule:
    arm = arm_by(step, look.graph.journey.journey, look.node.id)
    ways = {
        each.name: look.going(f"took {each.name}", "by a stable hash", way=each.name)
        for each in step.split
    }
    return lambda one: ways[arm(one.customer_id)](one)


def _act(look: Look, effect: Effect, decision: str, target: str) -> Rule:
    rule = look.going(decision, target, effects=(effect,))
    return _unless_withheld(look, f"would have {decision} {target}", rule)
