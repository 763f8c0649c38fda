"""A segment file as typed objects."""

from collections.abc import Iterator
from functools import cache
from typing import Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, model_validator

from segments.conditions import Condition
from segments.conditions.base import ConditionBase, walk

__all__ = ["Condition", "ConditionBase", "Segment", "conditions_in", "parse_condition", "walk"]


def parse_condition(written: object) -> Condition:
    """A condition as it would stand in a file. Raises pydantic.ValidationError."""
    return _reader().validate_python(written)


@cache  # made when it is first needed: it takes long, and most commands parse whole files
def _reader() -> TypeAdapter[Condition]:
    return TypeAdapter(Condition)


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


class Misplaced(ValueError):
    """Something that cannot stand at a place inside of what was read."""

    def __init__(self, said: str, path: tuple[str | int, ...]) -> None:
        super().__init__(said)
        self.path = path


class Segment(BaseModel):
    """A rule that every customer meets or does not meet at any instant."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    segment: str
    description: str = ""
    match: Condition
    note: str = ""

    @model_validator(mode="after")
    def _needs_no_journey(self) -> Self:
        for place, condition in walk(self.match):
            if condition.needs_enrollment:
                raise Misplaced(*_of_a_journey(condition, ("match", *place)))
            if any(name.startswith("segment.") for name in condition.named_events):
                said = "segment.* events cannot be asked here; use segment: NAME"
                raise Misplaced(said, ("match", *place, "event"))
        return self


def _of_a_journey(
    condition: ConditionBase, place: tuple[str | int, ...]
) -> tuple[str, tuple[str | int, ...]]:
    """What is said of a condition that only a journey can ask, and of which key."""
    since = getattr(condition, "since", None)
    if isinstance(since, str):
        said = f"'since: {since}' names a step of a journey; a segment has dates, as in 2026-03-01"
        return said, (*place, "since")
    return f"only a journey can ask about a '{condition.kind}'", (*place, condition.kind)
