"""`trait: NAME`: a property of the customer, as known at the instant."""

from typing import Any, ClassVar

from sqlalchemy import CTE, Select, case, func, select

from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase
from segments.conditions.fields import PropertyName
from segments.conditions.operators import Operators
from segments.instants import greatest, micros
from segments.values import JsonValue
from store.tables import traits


class Trait(Operators, ConditionBase):
    """The trait's current value satisfies every operator; a dotted name walks nested objects."""

    kind: ClassVar[str] = "trait"
    trait: PropertyName

    @property
    def named_traits(self) -> tuple[str, ...]:
        return (self.trait,)

    def compile(self, compilation: Compilation) -> Verdict:
        return compilation.leaf(
            self, lambda: self._leaf(compilation), on_nothing=self._asks_for_absence
        )

    @property
    def _asks_for_absence(self) -> bool:
        return self.exists is False and self.written_operators == ("exists",)

    def _leaf(self, compilation: Compilation) -> Select[Any]:
        name, *inside = self.trait.split(".")
        versions = _versions(compilation, name)
        ahead = func.min(case((versions.c.begins > versions.c.at, versions.c.begins)))
        checks = select(versions.c.id, ahead.label("ahead")).group_by(versions.c.id).cte()
        newest = _newest(versions)
        held = JsonValue(newest.c.value, tuple(inside))
        return select(
            checks.c.id, self.ask(held).label("holds"), checks.c.ahead.label("next_check_at")
        ).outerjoin(newest, newest.c.id == checks.c.id)


def _versions(compilation: Compilation, name: str) -> CTE:
    """Every version of the trait, with the instant from which it is in force."""
    mine = compilation.subjects.c
    begins = greatest(micros(traits.c.occurred_at), micros(traits.c.known_at))
    return (
        select(
            mine.id,
            mine.at,
            traits.c.id.label("version"),
            traits.c.occurred_at,
            traits.c.value,
            begins.label("begins"),
        )
        .join(traits, traits.c.customer_id == mine.customer_id)
        .where(traits.c.name == name)
        .cte()
    )


def _newest(versions: CTE) -> CTE:
    """The version in force: of the latest timestamp, and of equal ones the later arrival."""
    newest_first = (versions.c.occurred_at.desc(), versions.c.version.desc())
    place = func.row_number().over(partition_by=versions.c.id, order_by=newest_first)
    ranked = (
        select(versions.c.id, versions.c.value, place.label("place"))
        .where(versions.c.begins <= versions.c.at)
        .cte()
    )
    return select(ranked.c.id, ranked.c.value).where(ranked.c.place == 1).cte()
