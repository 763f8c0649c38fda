"""A journey file as typed objects."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from journeys.parts import Name, Part
from journeys.steps import (
    STEP_KINDS,
    WEEKDAYS,
    Approve,
    BaseStep,
    Branch,
    BranchArm,
    Emit,
    End,
    Hours,
    IfLate,
    Notify,
    Otherwise,
    Send,
    Set,
    Split,
    SplitArm,
    Start,
    Step,
    Survey,
    Until,
    Wait,
    WaitFor,
    WaitUntil,
    Webhook,
    When,
)
from journeys.triggers import (
    Day,
    ExitRule,
    OnApi,
    OnCalendar,
    OnDay,
    OnEnters,
    OnEvent,
    OnLeaves,
    Rule,
    Trigger,
)
from rekindle.durations import Duration, parse_duration
from rekindle.settings import Cap, parse_cap, parse_share
from segments.conditions.fields import OneProperty, PropertyName
from segments.conditions.logic import All, AnyOf, Not
from segments.conditions.occurrences import Occurrences
from segments.definition import Condition, ConditionBase

__all__ = [
    "DEFAULT_HOLDOUT", "SERVICE", "STEP_KINDS", "WEEKDAYS", "Again", "Approve", "BaseStep",
    "Branch", "BranchArm", "Condition", "Day", "Emit", "End", "ExitRule", "Goal", "Hours",
    "IfLate", "Journey", "Name", "Notify", "OnApi", "OnCalendar", "OnDay", "OnEnters", "OnEvent",
    "OnLeaves", "Otherwise", "Part", "Rule", "Send", "Set", "Split", "SplitArm", "Start", "Status",
    "Step", "Survey", "Trigger", "Until", "Wait", "WaitFor", "WaitUntil", "Webhook", "When",
    "parse_again", "parse_holdout",
]  # fmt: skip

SERVICE = "service"  # the topic of transactional mail: no caps, no quiet hours, no holdout
DEFAULT_HOLDOUT = 0.10

# paused: nobody starts or advances; draining: nobody starts; shadow: decides, and does nothing
Status = Literal["live", "paused", "draining", "shadow"]


class Goal(Part):
    """What the journey is for: a condition that comes true within a window from the start."""

    condition: Condition
    within: Duration
    value: PropertyName | None = None  # the property that is summed in reports

    @property
    def is_absence(self) -> bool:
        """Holds for one who does nothing: so it is reached when the window passes, not before."""
        return _holds_for_nothing(self.condition)

    @model_validator(mode="before")
    @classmethod
    def _own_keys_apart(cls, written: Any) -> Any:
        if not isinstance(written, Mapping) or "condition" in written:
            return written
        own = {key: written[key] for key in ("within", "value") if key in written}
        return {**own, "condition": {k: v for k, v in written.items() if k not in own}}


def _holds_for_nothing(condition: ConditionBase) -> bool:
    match condition:
        case Not(not_=inner):
            return not _holds_for_nothing(inner)
        case All():
            return all(map(_holds_for_nothing, condition.children()))
        case AnyOf():
            return any(map(_holds_for_nothing, condition.children()))
        case Occurrences():
            return condition.amount.admits_nothing()
        case _:
            return False


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
            raise ValueError("'again' is never, always, 'after exit' or, say, 'after 30 days'")


def parse_holdout(written: object) -> float | None:
    """`10%` or `none`; None where nothing is said."""
    if written is None:
        return None
    return 0.0 if written == "none" else parse_share(written)


class Journey(Part):
    """One journey file."""

    journey: Name
    description: str = ""
    note: str = ""
    topic: str
    start: tuple[Trigger, ...] = Field(min_length=1)
    backfill: bool = False
    per: OneProperty | None = None
    again: Annotated[Again, BeforeValidator(parse_again, json_schema_input_type=str)] = Again(
        rule="never"
    )
    goal: Goal | None = None
    exit: tuple[ExitRule, ...] = ()
    holdout: Annotated[
        float | None, BeforeValidator(parse_holdout, json_schema_input_type=str | None)
    ] = None
    because: str = ""  # owed by `holdout: none`
    priority: int = Field(50, ge=0, le=100)
    pace: Annotated[Cap, BeforeValidator(parse_cap, json_schema_input_type=str)] | None = (
        None  # at most so many mails in any such stretch
    )
    status: Status = "live"
    # what becomes of those inside when this version is applied: they finish on theirs, move to the
    # same step of this one, or leave
    in_flight: Literal["pin", "move", "drain"] = "pin"
    moved: Mapping[str, str] = Field(default_factory=dict)  # old step id -> new one
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
    def _moves_only_where_it_moves(self) -> Self:
        if self.moved and self.in_flight != "move":
            raise ValueError("'moved' goes with 'in_flight: move'")
        return self

    @model_validator(mode="after")
    def _no_holdout_owes_a_reason(self) -> Self:
        if self.holdout == 0.0 and not self.is_service and not self.because:
            raise ValueError("'holdout: none' needs 'because:' with the reason")
        return self
