"""`trait: NAME`: a property of the customer, as known at the instant."""

from typing import Any, ClassVar

from sqlalchemy import CTE, Select, and_, case, func, select

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
        """The version in force is that of the latest timestamp; of equal ones, the later arrival."""
        name, *inside = self.trait.split(".")
        own = _versions(compilation, name).c
        in_force = and_(own.begins <= own.at, own.place == 1)
        fits = self.ask(JsonValue(own.value, tuple(inside)))
        holds = func.max(case((in_force, case((fits, 1), else_=0))))
        return select(
            own.id,
            func.coalesce(holds, int(self._asks_for_absence)).label("holds"),
            func.min(case((own.begins > own.at, own.begins))).label("next_check_at"),
        ).group_by(own.id)


def _versions(compilation: Compilation, name: str) -> CTE:
    """Every version of the trait; `place` 1 is the newest of those that began, and of those to come."""
    mine = compilation.subjects.c
    begins = greatest(micros(traits.c.occurred_at), micros(traits.c.known_at))
    place = func.row_number().over(
        partition_by=(mine.id, begins <= mine.at),
        order_by=(traits.c.occurred_at.desc(), traits.c.id.desc()),
    )
    return (
        select(mine.id, mine.at, traits.c.value, begins.label("begins"), place.label("place"))
        .join(traits, traits.c.customer_id == mine.customer_id)
        .where(traits.c.name == name)
        .cte()
    )
