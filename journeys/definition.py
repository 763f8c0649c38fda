"""A journey file as typed objects, one class per kind of step."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

from rekindle.durations import Duration, parse_duration
from rekindle.settings import QuietHours, Share, parse_hours, parse_share
from segments.conditions.logic import Not
from segments.definition import Condition

SERVICE = "service"  # the topic of transactional mail: no caps, no quiet hours, no holdout
DEFAULT_HOLDOUT = 0.10
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LATER_KINDS = ("wait_until", "set", "emit", "webhook", "approve")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Hours = Annotated[QuietHours, BeforeValidator(parse_hours, json_schema_input_type=str)]


class Part(BaseModel):
    """A piece of a journey file: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class BaseStep(Part):
    """What every step may bear."""

    kind: ClassVar[str]
    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")] | None = None
    note: str = ""

    @property
    def target(self) -> str:
        """What the step is about, as its derived id says it."""
        return ""


class Send(BaseStep):
    """Send one mail and stay until the provider took it, refused it, or nobody knows."""

    kind: ClassVar[str] = "send"
    send: str
    only_if: Condition | None = None

    @property
    def target(self) -> str:
        return self.send

    @property
    def template(self) -> str:
        return self.send


class Survey(BaseStep):
    """Send a survey's invitation; the survey's own topic governs it."""

    kind: ClassVar[str] = "survey"
    survey: Name
    template: str
    only_if: Condition | None = None

    @property
    def target(self) -> str:
        return self.survey


class Wait(BaseStep):
    """Let time pass, then go on inside the hours and weekdays given, in the customer's zone."""

    kind: ClassVar[str] = "wait"
    wait: Duration
    between: Hours | None = None
    on: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()


class WaitFor(BaseStep):
    """Wait until a condition comes true, at most `up_to`."""

    kind: ClassVar[str] = "wait_for"
    wait_for: Condition
    up_to: Duration
    came: tuple["Step", ...] = ()
    otherwise: tuple["Step", ...] = ()


class When(Part):
    """An arm of a branch: its steps where the condition holds."""

    when: Condition
    steps: tuple["Step", ...]


class Otherwise(Part):
    """The arm of a branch that is left when no condition holds."""

    otherwise: tuple["Step", ...]


def _arm_kind(arm: object) -> str:
    is_rest = isinstance(arm, Otherwise) or (isinstance(arm, Mapping) and "otherwise" in arm)
    return "otherwise" if is_rest else "when"


BranchArm = Annotated[
    Annotated[When, Tag("when")] | Annotated[Otherwise, Tag("otherwise")], Discriminator(_arm_kind)
]


class Branch(BaseStep):
    """Take the first arm whose condition holds."""

    kind: ClassVar[str] = "branch"
    branch: tuple[BranchArm, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _otherwise_comes_last(self) -> Self:
        if any(isinstance(arm, Otherwise) for arm in self.branch[:-1]):
            raise ValueError("'otherwise' must be the last arm of a branch")
        return self


class SplitArm(Part):
    """An arm of an experiment and its share of the customers."""

    name: Name
    share: Share
    steps: tuple["Step", ...] = ()


class Split(BaseStep):
    """Divide customers by a stable hash; the same customer always takes the same arm."""

    kind: ClassVar[str] = "split"
    split: tuple[SplitArm, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _shares_make_a_whole(self) -> Self:
        total = sum(arm.share for arm in self.split)
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares of a split add up to 100%, not {total:.0%}")
        return self


class Start(BaseStep):
    """Start another journey for this customer, with the same event."""

    kind: ClassVar[str] = "start"
    start: Name

    @property
    def target(self) -> str:
        return self.start


class Notify(BaseStep):
    """Tell our own people."""

    kind: ClassVar[str] = "notify"
    notify: Name
    message: str = Field(min_length=1)

    @property
    def target(self) -> str:
        return self.notify


class End(BaseStep):
    """The enrollment is finished here; the value is a word for the report."""

    kind: ClassVar[str] = "end"
    end: str | None = None


STEP_KINDS: Mapping[str, type[BaseStep]] = {
    step.kind: step for step in (Send, Survey, Wait, WaitFor, Branch, Split, Start, Notify, End)
}


def _step_kind(step: object) -> str | None:
    if isinstance(step, BaseStep):
        return step.kind
    return (
        next((key for key in step if key in STEP_KINDS), None)
        if isinstance(step, Mapping)
        else None
    )


def _require_one_kind(step: Any) -> Any:
    """A step is one mapping with exactly one kind key. Raises ValueError saying what is there
    instead.
    """
    if isinstance(step, BaseStep):
        return step
    if step == "end":
        return {"end": None}
    if not isinstance(step, Mapping):
        raise ValueError(f"a step is a mapping such as 'send: NAME', not {step!r}")
    kinds = [key for key in step if key in STEP_KINDS]
    if len(kinds) > 1:
        raise ValueError(f"a step has one kind, not both '{kinds[0]}' and '{kinds[1]}'")
    if not kinds and (later := next((key for key in step if key in LATER_KINDS), None)):
        raise ValueError(f"the step '{later}' is not there yet in this version")
    return step


Step = Annotated[
    Annotated[
        Annotated[Send, Tag("send")]
        | Annotated[Survey, Tag("survey")]
        | Annotated[Wait, Tag("wait")]
        | Annotated[WaitFor, Tag("wait_for")]
        | Annotated[Branch, Tag("branch")]
        | Annotated[Split, Tag("split")]
        | Annotated[Start, Tag("start")]
        | Annotated[Notify, Tag("notify")]
        | Annotated[End, Tag("end")],
        Discriminator(
            _step_kind,
            custom_error_type="unknown_step",
            custom_error_message="this is no step: its kind is none of " + ", ".join(STEP_KINDS),
        ),
    ],
    BeforeValidator(_require_one_kind),
]


class OnEvent(Part):
    """Starts with an event; `where` narrows it by properties."""

    event: Annotated[
        tuple[str, ...],
        BeforeValidator(
            lambda v: (v,) if isinstance(v, str) else v, json_schema_input_type=str | list[str]
        ),
    ]
    where: Mapping[str, Any] = Field(default_factory=dict)


class OnEnters(Part):
    enters: Name


class OnLeaves(Part):
    leaves: Name


def _trigger_kind(trigger: object) -> str | None:
    if isinstance(trigger, Part):
        return next(iter(type(trigger).model_fields))
    if isinstance(trigger, Mapping):
        return next((key for key in ("event", "enters", "leaves") if key in trigger), None)
    return None


Trigger = Annotated[
    Annotated[OnEvent, Tag("event")]
    | Annotated[OnEnters, Tag("enters")]
    | Annotated[OnLeaves, Tag("leaves")],
    Discriminator(
        _trigger_kind,
        custom_error_type="unknown_start",
        custom_error_message="a start is one of: event, enters, leaves",
    ),
]


def _exit_kind(written: object) -> str:
    return kind if (kind := _trigger_kind(written)) in ("enters", "leaves") else "condition"


ExitRule = Annotated[
    Annotated[OnEnters, Tag("enters")]
    | Annotated[OnLeaves, Tag("leaves")]
    | Annotated[Condition, Tag("condition")],
    Discriminator(_exit_kind),
]


class Goal(Part):
    """What the journey is for: a condition that comes true within a window from the start."""

    condition: Condition
    within: Duration
    value: str | None = None  # the property that is summed in reports

    @property
    def is_absence(self) -> bool:
        """Reached when the window passes without it, not when it happens."""
        return isinstance(self.condition, Not)

    @model_validator(mode="before")
    @classmethod
    def _own_keys_apart(cls, written: Any) -> Any:
        if not isinstance(written, Mapping) or "condition" in written:
            return written
        own = {key: written[key] for key in ("within", "value") if key in written}
        return {**own, "condition": {k: v for k, v in written.items() if k not in own}}


class Again(Part):
    """When one customer may start the same journey (and key) once more."""

    rule: Literal["never", "after_exit", "after", "always"]
    after: Duration | None = None


def parse_again(written: object) -> object:
    """`never`, `always`, `after exit` or `after DURATION`. Raises ValueError naming the forms."""
    match written:
        case "never" | "always":
            return {"rule": written}
        case "after exit":
            return {"rule": "after_exit"}
        case str() if written.startswith("after "):
            return {"rule": "after", "after": parse_duration(written.removeprefix("after "))}
        case Again():
            return written
        case _:
            raise ValueError(
                f"'again' is never, always, 'after exit' or 'after 30 days', not {written!r}"
            )


def parse_holdout(written: object) -> float:
    """`10%` or `none`."""
    if written == "none":
        return 0.0
    return parse_share(written)


class Journey(Part):
    """One journey file."""

    journey: Name
    description: str = ""
    note: str = ""
    topic: str
    start: tuple[Trigger, ...] = Field(min_length=1)
    backfill: bool = False
    per: str | None = None
    again: Annotated[Again, BeforeValidator(parse_again, json_schema_input_type=str)] = Again(
        rule="never"
    )
    goal: Goal | None = None
    exit: tuple[ExitRule, ...] = ()
    holdout: Annotated[
        float | None,
        BeforeValidator(
            lambda v: None if v is None else parse_holdout(v), json_schema_input_type=str | None
        ),
    ] = None
    because: str = ""  # owed by `holdout: none`
    priority: int = Field(50, ge=0, le=100)
    steps: tuple[Step, ...] = Field(min_length=1)

    @property
    def is_service(self) -> bool:
        return self.topic == SERVICE

    @property
    def holdout_share(self) -> float:
        """The share of enrollments that walk the journey without effects."""
        if self.holdout is not None:
            return self.holdout
        return 0.0 if self.is_service else DEFAULT_HOLDOUT

    @model_validator(mode="after")
    def _no_holdout_owes_a_reason(self) -> Self:
        if self.holdout == 0.0 and not self.is_service and not self.because:
            raise ValueError("'holdout: none' needs 'because:' with the reason")
        return self


for _model in (WaitFor, When, Otherwise, Branch, SplitArm, Split, Journey):
    _model.model_rebuild()
