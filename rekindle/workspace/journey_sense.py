"""Thinks one journey through: what can never happen, never end well or never be reached."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from journeys.definition import (
    Approve,
    Branch,
    Emit,
    End,
    Journey,
    Notify,
    OnApi,
    OnCalendar,
    OnDay,
    OnEvent,
    Otherwise,
    Part,
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
    When,
)
from journeys.graph import DuplicateStep, build_graph
from rekindle.durations import write_duration
from rekindle.settings import QuietHours, Settings
from rekindle.workspace.journey_steps import Placed, lists_of, steps_of, surveys_asked
from rekindle.workspace.journey_ways import Ways, takes_time
from rekindle.workspace.problems import Level, Problem, unknown_name
from rekindle.workspace.yaml import Document, Path
from segments.definition import ConditionBase, walk

Asked = tuple[Path, ConditionBase]  # a condition and where it stands


@dataclass(frozen=True)
class Thinking:
    """One journey, where its parts stand, and what it would run under.

    `surveys_in` names the surveys that a mail asks: a plain `send` of it is an invitation too.
    """

    journey: Journey
    document: Document
    settings: Settings
    surveys_in: Mapping[str, Collection[str]]

    @cached_property
    def steps(self) -> tuple[Placed, ...]:
        """Every step with its path, in the order of the file."""
        return tuple(steps_of(self.journey))

    @cached_property
    def ways(self) -> Ways | None:
        """None while two steps bear one id, which is told."""
        try:
            return Ways(build_graph(self.journey))
        except DuplicateStep:
            return None

    def problem(self, path: Path, said: str, *, level: Level = "error", hint: str = "",
                of_key: bool = False) -> Problem:  # fmt: skip
        return Problem(self.document.place(path, of_key=of_key), said, hint, level)


def check_journey(thinking: Thinking) -> Iterator[Problem]:
    """What makes no sense in this journey, whatever else there is."""
    yield from _check_step_ids(thinking)
    yield from _check_reach(thinking, thinking.journey.steps, ("steps",))
    yield from _check_endings(thinking)
    yield from _check_order(thinking)
    yield from _check_goal_window(thinking)
    yield from _check_windows(thinking)
    yield from _check_key(thinking)
    yield from _check_scopes_of_all(thinking)
    yield from _check_calendar(thinking)
    yield from _check_exits(thinking)
    yield from _check_webhooks(thinking)
    yield from _check_sensitive(thinking, thinking.journey.steps, ("steps",), is_approved=False)
    yield from _check_moved(thinking)


def _conditions_of(step: Step, path: Path) -> Iterator[Asked]:
    """Every condition of a step, those inside others included."""
    if step.only_if is not None:
        yield from walk(step.only_if, (*path, "only_if"))
    match step:
        case WaitFor():
            yield from walk(step.wait_for, (*path, "wait_for"))
        case Branch():
            for index, arm in enumerate(step.branch):
                if isinstance(arm, When):
                    yield from walk(arm.when, (*path, "branch", index, "when"))
        case _:
            pass


def _conditions_of_all(journey: Journey) -> Iterator[Asked]:
    """Those that are asked wherever somebody stands: of exits and the goal."""
    for index, rule in enumerate(journey.exit):
        if not isinstance(rule, Part):
            yield from walk(rule, ("exit", index))
    if journey.goal is not None:
        yield from walk(journey.goal.condition, ("goal",))


def _check_step_ids(thinking: Thinking) -> Iterator[Problem]:
    try:
        known = build_graph(thinking.journey).nodes
    except DuplicateStep as error:
        yield _duplicate_id(thinking, str(error))
        return
    of_steps = (one for path, step in thinking.steps for one in _conditions_of(step, path))
    for path, condition in (*of_steps, *_conditions_of_all(thinking.journey)):
        for name in condition.named_steps:
            if name not in known:
                place = thinking.document.place((*path, _key_of_step(condition)))
                yield unknown_name(place, "step of this journey", name, known)


def _key_of_step(condition: ConditionBase) -> str:
    return "step" if condition.kind == "step" else "since"


def _duplicate_id(thinking: Thinking, said: str) -> Problem:
    """The problem at the last step that bears the id in question."""
    named = [(path, step.id) for path, step in thinking.steps if step.id and f"'{step.id}'" in said]
    path: Path = (*named[-1][0], "id") if named else ("steps",)
    return thinking.problem(path, f"{said}.", hint="Give one of them another 'id'.")


def _check_reach(thinking: Thinking, steps: Sequence[Step], path: Path) -> Iterator[Problem]:
    """Steps behind an end, of which only the first is told."""
    for index, step in enumerate(steps):
        for inner, below in lists_of(step, (*path, index)):
            yield from _check_reach(thinking, below, inner)
        if _always_ends(step) and index + 1 < len(steps):
            said = "nobody ever gets here: every way before it ends the journey."
            yield thinking.problem((*path, index + 1), said)
            return


def _always_ends(step: Step) -> bool:
    if step.only_if is not None:
        return False
    match step:
        case End():
            return True
        case Branch():
            has_rest = any(isinstance(arm, Otherwise) for arm in step.branch)
            return has_rest and all(_list_ends(below) for _path, below in lists_of(step, ()))
        case Split() | WaitFor():
            return all(_list_ends(below) for _path, below in lists_of(step, ()))
        case _:
            return False


def _list_ends(steps: Sequence[Step]) -> bool:
    return any(_always_ends(step) for step in steps)


def _check_endings(thinking: Thinking) -> Iterator[Problem]:
    """Waits after which nothing happens only keep people in the journey; the first is told."""
    if (ways := thinking.ways) is None:
        return
    waits = {id_ for id_ in ways.idle if isinstance(ways.steps[id_][1], Wait | WaitUntil | WaitFor)}
    for id_ in waits:
        path, step = ways.steps[id_]
        if not waits & ways.before[id_]:
            said = "a dead end: after this wait nothing happens."
            yield thinking.problem((*path, step.kind), said, level="warning")


def _check_order(thinking: Thinking) -> Iterator[Problem]:
    """Conditions about a step that no way has passed when they are asked."""
    if (ways := thinking.ways) is None:
        return
    for id_, (path, step) in ways.steps.items():
        asked = list(_conditions_of(step, path))
        surveys = ways.surveys_before(id_, thinking.surveys_in) if asked else set()
        mails = ways.mails_before(id_) if asked else set()
        for at, condition in asked:
            yield from _check_scope(thinking, (at, condition), surveys, mails)
            for name in condition.named_steps:
                if name in ways.steps and name not in ways.before[id_]:
                    said = f"nobody has been at {name!r} by now, so this never holds."
                    key = _key_of_step(condition)
                    yield thinking.problem((*at, key), said, level="warning")


def _check_goal_window(thinking: Thinking) -> Iterator[Problem]:
    goal = thinking.journey.goal
    longest = _longest(thinking.journey.steps)
    if goal is not None and longest > goal.within:
        said = (
            f"the goal is watched for {write_duration(goal.within)}, "
            f"but the last step may come after {write_duration(longest)}."
        )
        yield thinking.problem(("goal", "within"), said, level="warning")


def _longest(steps: Sequence[Step]) -> timedelta:
    """The longest time from the first of `steps` to the last that acts."""
    passed, latest = timedelta(), timedelta()
    for step in steps:
        match step:
            case Wait():
                passed += step.wait
            case WaitFor() | Approve():
                passed += step.up_to
            case Send() | Survey() | Notify() | Set() | Emit() | Start() | Webhook():
                latest = passed
            case _:
                pass
        inside = [passed + _longest(below) for _path, below in lists_of(step, ()) if below]
        latest = max(latest, *inside) if inside else latest
    return latest


def _check_windows(thinking: Thinking) -> Iterator[Problem]:
    """A wait whose hours all lie within the quiet hours holds every mail behind it."""
    quiet = thinking.settings.quiet_hours
    for path, step in thinking.steps:
        if not isinstance(step, Wait) or step.between is None:
            continue
        if step.between.begins == step.between.ends:
            yield thinking.problem((*path, "between"), "these hours never open.")
        elif quiet and not thinking.journey.is_service and _lies_in(step.between, quiet):
            said = "these hours lie within the quiet hours: mails behind them would be held."
            yield thinking.problem((*path, "between"), said, level="warning")


def _lies_in(inner: QuietHours, outer: QuietHours) -> bool:
    """Whether every minute of `inner` is one of `outer`; both may pass midnight."""
    day = 24 * 60

    def minutes(hours: QuietHours) -> tuple[int, int]:
        begins = hours.begins.hour * 60 + hours.begins.minute
        ends = hours.ends.hour * 60 + hours.ends.minute
        return begins, (ends - begins) % day

    inner_begin, inner_length = minutes(inner)
    outer_begin, outer_length = minutes(outer)
    return (inner_begin - outer_begin) % day + inner_length <= outer_length


def _check_key(thinking: Thinking) -> Iterator[Problem]:
    journey = thinking.journey
    for index, trigger in enumerate(journey.start):
        if journey.per and not isinstance(trigger, OnEvent | OnApi):
            said = f"this start has no {journey.per!r}, which 'per' needs; start with an event."
            yield thinking.problem(("start", index), said)


def _check_scopes_of_all(thinking: Thinking) -> Iterator[Problem]:
    steps = (step for _, step in steps_of(thinking.journey))
    surveys = surveys_asked(steps, thinking.surveys_in)
    mails = {step.template for _path, step in thinking.steps if isinstance(step, Send | Survey)}
    for asked in _conditions_of_all(thinking.journey):
        yield from _check_scope(thinking, asked, surveys, mails)


def _check_scope(
    thinking: Thinking, asked: Asked, surveys: Collection[str], mails: Collection[str]
) -> Iterator[Problem]:
    """In a journey `answer` and `message` speak of it alone: of what it has not sent, in vain."""
    path, condition = asked
    if getattr(condition, "ever", True):
        return
    hint = "To look beyond it write 'ever: true'."
    for name in condition.named_surveys:
        if name not in surveys:
            said = f"this journey never asks {name!r} in time, so this never holds."
            yield thinking.problem((*path, "answer"), said, level="warning", hint=hint)
    for name in condition.named_templates:
        if name not in mails:
            said = f"this journey never sends {name!r} in time, so this never holds."
            yield thinking.problem((*path, "message"), said, level="warning", hint=hint)


def _check_calendar(thinking: Thinking) -> Iterator[Problem]:
    """What comes round again and again, to somebody who may start only once."""
    journey = thinking.journey
    for index, trigger in enumerate(journey.start):
        recurs = isinstance(trigger, OnCalendar) or (
            isinstance(trigger, OnDay) and trigger.on.every is not None
        )
        if recurs and journey.again.rule == "never":
            said = "this comes again and again, but 'again: never' starts everybody only once."
            hint = "Write 'again: after exit' or, say, 'again: after 30 days'."
            yield thinking.problem(("start", index), said, level="warning", hint=hint)


def _check_exits(thinking: Thinking) -> Iterator[Problem]:
    goal = thinking.journey.goal
    for index, rule in enumerate(thinking.journey.exit):
        if goal is not None and rule == goal.condition:
            said = "this exit never acts: it is the goal, and reaching the goal comes first."
            yield thinking.problem(("exit", index), said, level="warning")
    if thinking.journey.exit and not any(takes_time(step) for _path, step in thinking.steps):
        said = "these exits never act: everybody is through all steps in one instant."
        yield thinking.problem(("exit",), said, level="warning", of_key=True)


def _check_webhooks(thinking: Thinking) -> Iterator[Problem]:
    says_secret = "webhook" in thinking.settings.model_fields_set
    for path, step in thinking.steps:
        if isinstance(step, Webhook) and not says_secret:
            said = "this cannot be signed: 'webhook.secret' is not set in rekindle.yaml."
            yield thinking.problem((*path, "webhook"), said, level="warning")


def _check_sensitive(
    thinking: Thinking, steps: Sequence[Step], path: Path, *, is_approved: bool
) -> Iterator[Problem]:
    """A mail on a sensitive topic goes only after a yes, and only to those whom it is meant for."""
    topic = thinking.journey.topic
    if not (topic in thinking.settings.topics and thinking.settings.topics[topic].sensitive):
        return
    for index, step in enumerate(steps):
        at = (*path, index)
        if isinstance(step, Send) and not is_approved:
            said = f"{topic!r} is sensitive: an 'approve' must come before this mail."
            yield thinking.problem((*at, "send"), said)
        if isinstance(step, Send) and step.only_if is None:
            said = f"{topic!r} is sensitive: this mail needs an 'only_if'."
            yield thinking.problem((*at, "send"), said)
        for inner, below in lists_of(step, at):
            yield from _check_sensitive(thinking, below, inner, is_approved=is_approved)
        is_approved = is_approved or (isinstance(step, Approve) and step.only_if is None)


def _check_moved(thinking: Thinking) -> Iterator[Problem]:
    if thinking.ways is None:
        return
    known = thinking.ways.steps
    for old, new in thinking.journey.moved.items():
        if new not in known:
            place = thinking.document.place(("moved", old))
            yield unknown_name(place, "step of this journey", new, known)
