"""What starts a journey, and what takes a customer out of it."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Field, Tag, field_validator

from journeys.parts import Name, Part
from segments.conditions.acts import Where
from segments.conditions.fields import EventNames
from segments.definition import Condition


class OnEvent(Part):
    """Starts with an event; `where` narrows it by properties."""

    event: EventNames
    where: Where = Field(default_factory=dict)

    @field_validator("event")
    @classmethod
    def _names_its_events(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "any" in names:
            raise ValueError("a start names its events; 'any' would start at everything")
        return names


class OnEnters(Part):
    """Starts, or ends, with entering a segment."""

    enters: Name


class OnLeaves(Part):
    """Starts, or ends, with leaving a segment."""

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
