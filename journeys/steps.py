"""The steps of a journey as typed objects: one class for each kind, and the union of them."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from journeys.parts import Name, Part
from rekindle.durations import Duration
from rekindle.settings import QuietHours, Share, parse_hours
from segments.definition import Condition

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LATER_KINDS = ("wait_until", "set", "emit", "webhook", "approve")

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Hours = Annotated[QuietHours, BeforeValidator(parse_hours, json_schema_input_type=str)]


class BaseStep(Part):
    """What every step may bear."""

    kind: ClassVar[str]
    id: Name | None = None
    note: str = ""
    only_if: Condition | None = None  # where it does not hold, the step is skipped

    @property
    def target(self) -> str:
        """What the step is about, as its derived id says it."""
        return ""


class Send(BaseStep):
    """Send one mail and stay until the provider took it, refused it, or nobody knows."""

    kind: ClassVar[str] = "send"
    send: str

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

    @property
    def target(self) -> str:
        return self.survey


class Wait(BaseStep):
    """Let time pass, then go on inside the hours and weekdays given, in the customer's zone."""

    kind: ClassVar[str] = "wait"
    wait: Duration
    between: Hours | None = None
    on: tuple[Weekday, ...] = ()


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
            raise ValueError(f"the shares of a split add up to 100%, not {100 * total:.6g}%")
        return self

    @model_validator(mode="after")
    def _arms_have_their_own_names(self) -> Self:
        name, count = Counter(arm.name for arm in self.split).most_common(1)[0]
        if count > 1:
            raise ValueError(f"two arms of a split are called '{name}'")
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
    if isinstance(step, Mapping):
        return next((key for key in step if key in STEP_KINDS), None)
    return None


def _require_one_kind(step: Any) -> Any:
    """A step is a mapping with exactly one kind key. Raises ValueError saying what is there."""
    if isinstance(step, BaseStep):
        return step
    if step == "end":
        return {"end": None}
    if not isinstance(step, Mapping):
        raise ValueError("a step begins with its kind, as in 'send: win_back/hello'")
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

for _model in (WaitFor, When, Otherwise, Branch, SplitArm, Split):
    _model.model_rebuild()
