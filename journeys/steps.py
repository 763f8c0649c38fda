"""The steps of a journey as typed objects: one class for each kind, and the union of them."""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    field_validator,
    model_validator,
)

from journeys.parts import Name, Part, TimeOfDay
from rekindle.durations import Duration
from rekindle.settings import QuietHours, Share, parse_hours
from segments.definition import Condition

OUR_NOUNS = ("message", "segment", "enrollment", "survey", "customer", "email")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Hours = Annotated[QuietHours, BeforeValidator(parse_hours, json_schema_input_type=str)]


class IfLate(Part):
    """What becomes of a step that is reached so long after it was due, as after an outage."""

    after: Duration
    do: Literal["send", "skip", "retime"]


class BaseStep(Part):
    """What every step may bear."""

    kind: ClassVar[str]
    id: Name | None = None
    note: str = ""
    only_if: Condition | None = None  # where it does not hold, the step is skipped
    if_late: IfLate | None = None  # nothing said: it is done all the same

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


class Until(Part):
    """A moment in the customer's zone: of the clock, of the week, of the calendar, or of a trait.

    `at` alone is the next time clocks show it; with `on` the next such weekday; with `date` that
    day; with `trait` the date that the customer's own trait names, `before` or `after` it so long,
    with `every: year` its next anniversary.
    """

    at: TimeOfDay | None = None
    on: tuple[Weekday, ...] = ()
    day: date | None = Field(None, alias="date")
    trait: str | None = None
    before: Duration | None = None
    after: Duration | None = None
    every: Literal["year"] | None = None

    @model_validator(mode="after")
    def _names_one_moment(self) -> Self:
        named = sum((self.day is not None, self.trait is not None, bool(self.on)))
        if named > 1 or (named == 0 and self.at is None):
            raise ValueError("a moment is a time 'at', weekdays 'on', a 'date' or a 'trait'")
        if self.trait is None and (self.before or self.after or self.every):
            raise ValueError("'before', 'after' and 'every' go with a 'trait'")
        if self.before and self.after:
            raise ValueError("write 'before' or 'after', not both")
        return self


def parse_until(written: object) -> object:
    """`09:00`, `mon` and `2026-12-24` are short for `at`, `on` and `date`."""
    match written:
        case str() if written in WEEKDAYS:
            return {"on": [written]}
        case str() if ":" in written:
            return {"at": written}
        case str() | date():
            return {"date": written}
        case _:
            return written


class WaitUntil(BaseStep):
    """Let time pass until a moment in the customer's zone; if it has passed, none."""

    kind: ClassVar[str] = "wait_until"
    wait_until: Annotated[
        Until, BeforeValidator(parse_until, json_schema_input_type=str | dict[str, Any])
    ]


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


class Set(BaseStep):
    """Write traits of the customer; null clears one."""

    kind: ClassVar[str] = "set"
    set: Mapping[Name, JsonValue] = Field(min_length=1)

    @property
    def target(self) -> str:
        return ",".join(sorted(self.set))


class Emit(BaseStep):
    """Record an event of this customer, which may start journeys and change segments."""

    kind: ClassVar[str] = "emit"
    emit: str
    properties: Mapping[str, JsonValue] = Field(default_factory=dict)

    @property
    def target(self) -> str:
        return self.emit

    @field_validator("emit")
    @classmethod
    def _is_a_name_of_its_own(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?", name):
            raise ValueError(f"an event is called like 'loyalty.reached', not {name!r}")
        if name.partition(".")[0] in OUR_NOUNS:
            raise ValueError(f"{name!r} is an event of the engine's own; choose another name")
        return name


class Webhook(BaseStep):
    """Tell another system, signed, tried again until it answers or is given up."""

    kind: ClassVar[str] = "webhook"
    webhook: str
    body: Mapping[str, JsonValue] = Field(default_factory=dict)  # beside what is always told

    @property
    def target(self) -> str:
        return self.webhook

    @field_validator("webhook")
    @classmethod
    def _is_an_address(cls, written: str) -> str:
        if not re.match(r"https?://[^/\s@]+(/\S*)?$", written):
            raise ValueError(f"{written!r} is not a web address such as 'https://example.com/hook'")
        return written


class Approve(BaseStep):
    """Wait until a person says yes; after a no, or none in time, `otherwise` and then the end."""

    kind: ClassVar[str] = "approve"
    approve: Name  # the people who are asked
    message: str = ""
    up_to: Duration
    otherwise: tuple["Step", ...] = ()

    @property
    def target(self) -> str:
        return self.approve


class End(BaseStep):
    """The enrollment is finished here; the value is a word for the report."""

    kind: ClassVar[str] = "end"
    end: str | None = None


STEP_KINDS: Mapping[str, type[BaseStep]] = {
    step.kind: step
    for step in (Send, Survey, Wait, WaitUntil, WaitFor, Branch, Split, Set, Emit, Start, Notify,
                 Webhook, Approve, End)
}  # fmt: skip


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
    return step


Step = Annotated[
    Annotated[
        Annotated[Send, Tag("send")]
        | Annotated[Survey, Tag("survey")]
        | Annotated[Wait, Tag("wait")]
        | Annotated[WaitUntil, Tag("wait_until")]
        | Annotated[WaitFor, Tag("wait_for")]
        | Annotated[Branch, Tag("branch")]
        | Annotated[Split, Tag("split")]
        | Annotated[Set, Tag("set")]
        | Annotated[Emit, Tag("emit")]
        | Annotated[Start, Tag("start")]
        | Annotated[Notify, Tag("notify")]
        | Annotated[Webhook, Tag("webhook")]
        | Annotated[Approve, Tag("approve")]
        | Annotated[End, Tag("end")],
        Discriminator(
            _step_kind,
            custom_error_type="unknown_step",
            custom_error_message="this is no step: its kind is none of " + ", ".join(STEP_KINDS),
        ),
    ],
    BeforeValidator(_require_one_kind),
]
