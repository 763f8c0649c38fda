"""`all`, `any` and `not`: conditions made of conditions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator
from sqlalchemy import case

from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase, Path
from segments.folding import Truth, either, every, is_never, opposite
from segments.instants import LONG_AGO, NULL_INSTANT, Micros, latest_unless_never, soonest

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

    @property
    def sentence(self) -> str:
        return " and ".join(_bracketed(part) for part in self.all)

    def compile(self, compilation: Compilation) -> Verdict:
        """While one part is false the whole is: it can turn only when all false parts may have."""
        parts = [child.compile(compilation) for child in self.all]
        holds = every(part.holds for part in parts)
        check = _chosen(holds, _first(parts), _last(parts, among=False))
        return Verdict(holds, check, _is_known(parts, settled_by=False))


class AnyOf(ConditionBase):
    """At least one of the conditions holds."""

    kind: ClassVar[str] = "any"
    any: tuple["Condition", ...]

    _listed = field_validator("any", mode="before")(_listed)

    def branches(self) -> tuple[tuple[Path, ConditionBase], ...]:
        return tuple((("any", place), child) for place, child in enumerate(self.any))

    @property
    def sentence(self) -> str:
        return " or ".join(_bracketed(part) for part in self.any)

    def compile(self, compilation: Compilation) -> Verdict:
        """While one part is true the whole is: it can turn only when all true parts may have."""
        parts = [child.compile(compilation) for child in self.any]
        holds = either(part.holds for part in parts)
        check = _chosen(holds, _last(parts, among=True), _first(parts))
        return Verdict(holds, check, _is_known(parts, settled_by=True))


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

    @property
    def sentence(self) -> str:
        return f"not ({self.not_.sentence})"

    def compile(self, compilation: Compilation) -> Verdict:
        return self.not_.compile(compilation.negated()).negated()


def _chosen(holds: Truth, if_true: Micros, if_false: Micros) -> Micros:
    if is_never(holds):
        return if_false
    return if_true if is_never(opposite(holds)) else case((holds, if_true), else_=if_false)


def _bracketed(part: ConditionBase) -> str:
    return f"({part.sentence})" if len(part.branches()) > 1 else part.sentence


def _first(parts: Sequence[Verdict]) -> Micros:
    return soonest(*(part.next_check_at for part in parts if not is_never(part.is_known)))


def _last(parts: Sequence[Verdict], *, among: bool) -> Micros:
    """The latest check among the parts known to be true, or false; the others do not matter."""
    if len(parts) == 1:
        return parts[0].next_check_at
    checks = []
    for part in parts:
        counts = every((part.is_known, _is(part, among)))
        if not is_never(counts):
            checks.append(_chosen(counts, part.next_check_at, LONG_AGO))
    return latest_unless_never(checks) if checks else NULL_INSTANT


def _is_known(parts: Sequence[Verdict], *, settled_by: bool) -> Truth:
    """All parts are known, or one that settles it."""
    settled = [every((part.is_known, _is(part, settled_by))) for part in parts]
    return either((every(part.is_known for part in parts), *settled))


def _is(part: Verdict, held: bool) -> Truth:
    return part.holds if held else opposite(part.holds)
