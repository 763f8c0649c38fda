"""(journey, enrollment, facts, now) -> Decision: the state machine, pure.

It takes one step a call. A step names the questions it needs; the shell answers each for a whole
batch and asks again until every enrollment waits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Literal, assert_never
from zoneinfo import ZoneInfo

from journeys.definition import (
    Branch,
    End,
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
from journeys.graph import FINISHED, Graph, Node
from journeys.timing import wait_over_at
from segments.definition import Condition, parse_condition
from segments.subjects import Scope
from store.records import CustomerId, Enrollment

SENT = ("sent", "delivered", "bounced", "complained")  # the provider took it, whatever came later
WAITING = ("queued", "held", "sending")


@dataclass(frozen=True)
class Question:
    """A condition that a step needs answered; `until` bounds the instant it is asked for, from
    start or arrival.
    """

    name: str
    condition: Condition
    scope: Scope
    per: str | None = None
    since: Literal["start", "arrival"] = "start"
    until: timedelta | None = None

    def asked_at(self, enrollment: Enrollment, now: datetime) -> datetime:
        """The instant this question is about: `now`, but never past its window."""
        if self.until is None:
            return now
        begins = enrollment.started_at if self.since == "start" else enrollment.arrived_at
        return min(now, begins + self.until)


@dataclass(frozen=True)
class Reply:
    """The answer to a question, and the first instant at which time alone may change it."""

    holds: bool
    next_check_at: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """What has become of the message of this step and visit."""

    status: str
    reason: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Facts:
    """What the core is told about one customer to decide one step."""

    zone: ZoneInfo
    replies: Mapping[str, Reply] = field(default_factory=dict)
    outcome: Outcome | None = None
    refused_surveys: Mapping[str, str] = field(
        default_factory=dict
    )  # survey -> why its invitation never left


@dataclass(frozen=True)
class QueueMessage:
    """A mail to the customer; the shell asks permission and makes the row."""

    template: str
    topic: str
    survey: str | None = None


@dataclass(frozen=True)
class Tell:
    """A notice to our own people; `message` is a template."""

    people: str
    message: str


@dataclass(frozen=True)
class StartJourney:
    """Another journey begins for this customer, with the same event."""

    journey: str


Effect = QueueMessage | Tell | StartJourney


@dataclass(frozen=True)
class Said:
    """A decision as it is kept: what was decided at the step it stood at, why, and for which
    instant.
    """

    step: str
    visit: int
    decision: str
    reason: str
    due_at: datetime


@dataclass(frozen=True)
class Decision:
    """The whole consequence of one look at one customer."""

    enrollment: Enrollment
    said: Said | None = None
    effects: tuple[Effect, ...] = ()
    look_again_at: datetime | None = None  # None while it waits: until something happens
    waits: bool = False


def questions(graph: Graph, step: str) -> tuple[Question, ...]:
    """What must be known to advance an enrollment that stands at `step`."""
    return (*_ways_out(graph), *_asked_by(graph, graph.nodes[step]))


def _ways_out(graph: Graph) -> tuple[Question, ...]:
    journey = graph.journey
    exits = tuple(
        _exit_question(f"exit {number}", rule, journey.per)
        for number, rule in enumerate(journey.exit, start=1)
    )
    if journey.goal is None:
        return exits
    goal = Question(
        "goal", journey.goal.condition, Scope.SINCE_START, journey.per, "start", journey.goal.within
    )
    return (*exits, goal)


def _exit_question(name: str, rule: object, per: str | None) -> Question:
    match rule:
        case OnLeaves(leaves=segment):
            return Question(name, segment_change("segment.left", segment), Scope.SINCE_START)
        case OnEnters(enters=segment):
            return Question(name, segment_change("segment.entered", segment), Scope.SINCE_START)
        case _:
            # a Condition
            return Question(name, rule, Scope.SINCE_START, per)  # type: ignore[arg-type]


def segment_change(event: str, segment: str) -> Condition:
    """The condition that our own event about `segment` happened."""
    return parse_condition({"event": event, "where": {"segment": segment}})


def _asked_by(graph: Graph, node: Node) -> tuple[Question, ...]:
    per = graph.journey.per
    match node.step:
        case Send(only_if=condition) | Survey(only_if=condition) if condition is not None:
            return (Question("only_if", condition, Scope.HISTORY),)
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


def advance(graph: Graph, enrollment: Enrollment, facts: Facts, now: datetime) -> Decision:
    """Decide a customer's next move; the same arguments always give the same decision."""
    if left := _left(graph, enrollment, facts, now):
        return left
    decision = _at_step(graph, graph.nodes[enrollment.step], enrollment, facts, now)
    return _watching(graph, decision, facts, now) if decision.waits else decision


def _left(graph: Graph, enrollment: Enrollment, facts: Facts, now: datetime) -> Decision | None:
    if _is_goal_reached(graph, enrollment, facts, now):
        return _ended(enrollment, "goal", "the goal was reached", now)
    for number, rule in enumerate(graph.journey.exit, start=1):
        if facts.replies[f"exit {number}"].holds:
            return _ended(enrollment, "exited", _exit_reason(rule), now)
    return None


def _is_goal_reached(graph: Graph, enrollment: Enrollment, facts: Facts, now: datetime) -> bool:
    goal = graph.journey.goal
    if goal is None or not facts.replies["goal"].holds:
        return False
    return not goal.is_absence or now >= enrollment.started_at + goal.within


def _exit_reason(rule: object) -> str:
    match rule:
        case OnLeaves(leaves=segment):
            return f"left the segment {segment}"
        case OnEnters(enters=segment):
            return f"entered the segment {segment}"
        case _:
            return "an exit of the journey came true"


def _ended(enrollment: Enrollment, how: str, reason: str, now: datetime) -> Decision:
    said = Said(enrollment.step, enrollment.visit, how, reason, now)
    return Decision(replace(enrollment, ended=how), said)


def _watching(graph: Graph, decision: Decision, facts: Facts, now: datetime) -> Decision:
    """A waiting enrollment is also looked at when time alone may end it."""
    instants = [decision.look_again_at]
    instants += [reply.next_check_at for reply in facts.replies.values()]
    if (goal := graph.journey.goal) and goal.is_absence:
        instants.append(decision.enrollment.started_at + goal.within)
    ahead = [instant for instant in instants if instant is not None and instant > now]
    return replace(decision, look_again_at=min(ahead, default=None))


def _at_step(
    graph: Graph, node: Node, enrollment: Enrollment, facts: Facts, now: datetime
) -> Decision:
    match node.step:
        case Send() | Survey():
            return _at_mail(graph, node, node.step, enrollment, facts, now)
        case Wait():
            over_at = wait_over_at(node.step, enrollment.arrived_at, facts.zone)
            if now < over_at:
                return _stay(enrollment, over_at)
            return _go(node, enrollment, "", "waited", "", over_at)
        case WaitFor():
            return _at_wait_for(node, node.step, enrollment, facts, now)
        case Branch():
            return _at_branch(node, node.step, enrollment, facts)
        case Split():
            arm = arm_of(node.step, enrollment.customer_id, graph.journey.journey, node.id)
            return _go(
                node, enrollment, arm, f"took {arm}", "by a stable hash", enrollment.arrived_at
            )
        case Start() | Notify():
            return _at_effect(node, node.step, enrollment)
        case End(end=word):
            return _go(node, enrollment, "", "ended", word or "", enrollment.arrived_at)
        case _:
            assert_never(node.step)


def _at_mail(
    graph: Graph,
    node: Node,
    step: Send | Survey,
    enrollment: Enrollment,
    facts: Facts,
    now: datetime,
) -> Decision:
    if _is_withheld(graph, step, enrollment):
        return _go(
            node,
            enrollment,
            "",
            "held_out",
            f"would have got {step.template}",
            enrollment.arrived_at,
        )
    outcome = facts.outcome
    if outcome is None:
        if step.only_if is not None and not facts.replies["only_if"].holds:
            return _go(
                node, enrollment, "", "skipped", "only_if does not hold", enrollment.arrived_at
            )
        return Decision(enrollment, effects=(_queued(graph, step),), waits=True)
    if outcome.status in WAITING:
        return _stay(enrollment, None)
    decision = "sent" if outcome.status in SENT else outcome.status
    return _go(node, enrollment, "", decision, outcome.reason, outcome.at or now)


def _is_withheld(graph: Graph, step: Send | Survey, enrollment: Enrollment) -> bool:
    """The default holdout never withholds a survey; one the file names does."""
    return enrollment.is_held_out and (isinstance(step, Send) or graph.journey.holdout is not None)


def _queued(graph: Graph, step: Send | Survey) -> QueueMessage:
    survey = step.survey if isinstance(step, Survey) else None
    return QueueMessage(step.template, graph.journey.topic, survey)


def _at_wait_for(
    node: Node, step: WaitFor, enrollment: Enrollment, facts: Facts, now: datetime
) -> Decision:
    over_at = enrollment.arrived_at + step.up_to
    if facts.replies["came"].holds:
        return _go(node, enrollment, "came", "came", "", min(now, over_at))
    survey = next(
        (name for name in step.wait_for.named_surveys if name in facts.refused_surveys), None
    )
    if survey is not None:
        reason = f"the invitation to {survey} never left: {facts.refused_surveys[survey]}"
        return _go(node, enrollment, "otherwise", "did not come", reason, now)
    if now >= over_at:
        return _go(node, enrollment, "otherwise", "did not come", "", over_at)
    return _stay(enrollment, over_at)


def _at_branch(node: Node, step: Branch, enrollment: Enrollment, facts: Facts) -> Decision:
    for number, arm in enumerate(step.branch, start=1):
        if isinstance(arm, When) and facts.replies[f"when {number}"].holds:
            return _go(
                node, enrollment, f"when {number}", f"took when {number}", "", enrollment.arrived_at
            )
    return _go(node, enrollment, "otherwise", "took otherwise", "", enrollment.arrived_at)


def _at_effect(node: Node, step: Start | Notify, enrollment: Enrollment) -> Decision:
    effect: Effect
    match step:
        case Start(start=journey):
            effect, decision = StartJourney(journey), "started"
        case Notify(notify=people, message=message):
            effect, decision = Tell(people, message), "notified"
    if enrollment.is_held_out:
        return _go(
            node,
            enrollment,
            "",
            "held_out",
            f"would have {decision} {step.target}",
            enrollment.arrived_at,
        )
    moved = _go(node, enrollment, "", decision, step.target, enrollment.arrived_at)
    return replace(moved, effects=(effect,))


def _stay(enrollment: Enrollment, look_again_at: datetime | None) -> Decision:
    return Decision(enrollment, look_again_at=look_again_at, waits=True)


def _go(
    node: Node, enrollment: Enrollment, way: str, decision: str, reason: str, at: datetime
) -> Decision:
    """Leave `node` by `way`; the next step counts from `at`, not from when somebody looked."""
    said = Said(enrollment.step, enrollment.visit, decision, reason, at)
    to = node.edge(way).to
    if to == FINISHED:
        return Decision(replace(enrollment, ended="finished"), said)
    return Decision(replace(enrollment, step=to, arrived_at=at), said)


def arm_of(split: Split, customer_id: CustomerId, journey: str, step: str) -> str:
    """The arm of `split` that this customer always takes: a hash, never a draw."""
    point = stable_share(customer_id, journey, step)
    for arm in split.split:
        point -= arm.share
        if point < 0:
            return arm.name
    return split.split[-1].name


def stable_share(customer_id: CustomerId, *names: str) -> float:
    """A number in [0, 1), always the same for these names, spread evenly over customers."""
    text = "/".join((str(customer_id), *names))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) / 2**64


def is_held_out(graph: Graph, customer_id: CustomerId) -> bool:
    """Whether this customer is in the journey's control group; sticky over re-entries."""
    return stable_share(customer_id, graph.journey.journey, "holdout") < graph.journey.holdout_share
