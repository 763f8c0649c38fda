"""A segment file as typed objects."""

from collections.abc import Iterator
from typing import Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, model_validator

from segments.conditions import Condition
from segments.conditions.base import ConditionBase, walk

__all__ = ["Condition", "ConditionBase", "Segment", "conditions_in", "parse_condition", "walk"]

_condition: TypeAdapter[Condition] = TypeAdapter(Condition)


def parse_condition(written: object) -> Condition:
    """A condition as it would stand in a file. Raises pydantic.ValidationError."""
    return _condition.validate_python(written)


def conditions_in(written: object) -> Iterator[ConditionBase]:
    """Every condition anywhere in a definition, those inside others included."""
    if isinstance(written, ConditionBase):
        yield written
    if isinstance(written, BaseModel):
        for name in type(written).model_fields:
            yield from conditions_in(getattr(written, name))
    elif isinstance(written, list | tuple):
        for one in written:
            yield from conditions_in(one)


class Segment(BaseModel):
    """A rule that every customer meets or does not meet at any instant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segment: str
    description: str = ""
    match: Condition
    note: str = ""

    @model_validator(mode="after")
    def _needs_no_journey(self) -> Self:
        for place, condition in walk(self.match):
            if condition.needs_enrollment:
                where = ".".join(str(part) for part in ("match", *place))
                raise ValueError(
                    f"{where} speaks of a journey's steps and cannot stand in a segment"
                )
            if any(name.startswith("segment.") for name in condition.named_events):
                raise ValueError("segment.* events cannot be asked here; use segment: NAME")
        return self
