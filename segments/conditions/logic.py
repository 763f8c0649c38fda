"""`all`, `any` and `not`: conditions made of conditions."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from segments.conditions.base import ConditionBase, Path

if TYPE_CHECKING:
    from segments.conditions import Condition


def _listed(written: object) -> object:
    if not isinstance(written, list | tuple) or not written:
        raise ValueError("this takes a list with at least one condition")
    return written


class All(ConditionBase):
    """Every one of the conditions holds."""

    kind: ClassVar[str] = "all"
    all: tuple["Condition", ...]

    _listed = field_validator("all", mode="before")(_listed)

    def branches(self) -> tuple[tuple[Path, ConditionBase], ...]:
        return tuple((("all", place), child) for place, child in enumerate(self.all))


class AnyOf(ConditionBase):
    """At least one of the conditions holds."""

    kind: ClassVar[str] = "any"
    any: tuple["Condition", ...]

    _listed = field_validator("any", mode="before")(_listed)

    def branches(self) -> tuple[tuple[Path, ConditionBase], ...]:
        return tuple((("any", place), child) for place, child in enumerate(self.any))


class Not(ConditionBase):
    """The condition does not hold, whatever the reason."""

    kind: ClassVar[str] = "not"
    not_: "Condition" = Field(alias="not")

    @field_validator("not_", mode="before")
    @classmethod
    def _one(cls, written: Any) -> Any:
        if isinstance(written, list | tuple):
            raise ValueError("'not' takes exactly one condition; for several write not: {any: […]}")
        return written

    def branches(self) -> tuple[tuple[Path, ConditionBase], ...]:
        return ((("not",), self.not_),)
