"""`all`, `any` and `not`: conditions made of conditions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator
from sqlalchemy import and_, case, not_, or_

from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase, Path
from segments.instants import LONG_AGO, Micros, latest_unless_never, soonest

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

    def compile(self, compilation: Compilation) -> Verdict:
        """While one part is false the whole is: it can turn only when all false parts may have."""
        parts = [child.compile(compilation) for child in self.all]
        holds = and_(*(part.holds for part in parts))
        return Verdict(holds, case((holds, _first(parts)), else_=_last(parts, among=False)))


class AnyOf(ConditionBase):
    """At least one of the conditions holds."""

    kind: ClassVar[str] = "any"
    any: tuple["Condition", ...]

    _listed = field_validator("any", mode="before")(_listed)

    def branches(self) -> tuple[tuple[Path, ConditionBase], ...]:
        return tuple((("any", place), child) for place, child in enumerate(self.any))

    def compile(self, compilation: Compilation) -> Verdict:
        """While one part is true the whole is: it can turn only when all true parts may have."""
        parts = [child.compile(compilation) for child in self.any]
        holds = or_(*(part.holds for part in parts))
        return Verdict(holds, case((holds, _last(parts, among=True)), else_=_first(parts)))


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

    def compile(self, compilation: Compilation) -> Verdict:
        inner = self.not_.compile(compilation)
        return Verdict(not_(inner.holds), inner.next_check_at)


def _first(parts: Sequence[Verdict]) -> Micros:
    return soonest(*(part.next_check_at for part in parts))


def _last(parts: Sequence[Verdict], *, among: bool) -> Micros:
    """The latest check among the parts that are true, or false; the other parts do not matter."""
    if len(parts) == 1:
        return parts[0].next_check_at
    others = [not_(part.holds) if among else part.holds for part in parts]
    checks = [
        case((other, LONG_AGO), else_=part.next_check_at)
        for other, part in zip(others, parts, strict=True)
    ]
    return latest_unless_never(checks)
