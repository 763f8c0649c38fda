"""`event: NAME`: something the customer did, or that was done for them."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from segments.conditions.fields import EventNames, PropertyName
from segments.conditions.occurrences import Acts
from segments.conditions.operators import Operators

ANY = "any"


def _value_or_operators(written: object) -> object:
    if isinstance(written, list | tuple):
        raise ValueError("a list is not a value here; write {in: […]}")
    if isinstance(written, Mapping | Operators):
        return written
    return {"is": written}


Asked = Annotated[
    Operators,
    BeforeValidator(
        _value_or_operators, json_schema_input_type=bool | int | float | str | dict[str, Any]
    ),
]

Where = Annotated[
    Mapping[PropertyName, Asked], AfterValidator(lambda asked: dict(sorted(asked.items())))
]


class Event(Acts):
    """Events of these names; `any` is every own activity. In names only `*` is special."""

    kind: ClassVar[str] = "event"
    event: EventNames
    where: Where = Field(default_factory=dict)
    channel: str | None = None
    without_later: EventNames | None = Field(
        None, description="count only what no later event of these names answers"
    )
    same: PropertyName | None = Field(None, description="the property by which an event answers")

    @property
    def is_any(self) -> bool:
        return self.event == (ANY,)

    @property
    def named_events(self) -> tuple[str, ...]:
        return (() if self.is_any else self.event) + (self.without_later or ())

    @property
    def named_channels(self) -> tuple[str, ...]:
        return (self.channel,) if self.channel else ()

    @model_validator(mode="after")
    def _any_stands_alone(self) -> Self:
        if ANY in self.event and len(self.event) > 1:
            raise ValueError("'any' already means every own activity; leave the other names out")
        return self

    @model_validator(mode="after")
    def _answers_need_a_tie(self) -> Self:
        if (self.without_later is None) != (self.same is None):
            raise ValueError("without_later and same need each other")
        if self.without_later and (self.first or self.last):
            raise ValueError("without_later counts; it cannot stand beside first or last")
        return self
