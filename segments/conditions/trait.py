"""`trait: NAME`: a property of the customer, as known at the instant."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import model_validator
from sqlalchemy import CTE, ColumnElement, Select, Text, and_, case, cast, func, null, select

from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase
from segments.conditions.dated import Placed, place
from segments.conditions.fields import PropertyName
from segments.conditions.operators import Operators
from segments.conditions.properties import check_asks_elements
from segments.instants import Micros, micros, soonest, still_ahead
from segments.paths import PropertyPath, parse_path
from segments.planning import looked_up_by
from segments.values import JsonElements, JsonValue
from segments.wording import values
from store.tables import traits

MOST_TOLD = 5  # of the values in a list


class Trait(Operators, ConditionBase):
    """The trait's current value satisfies every operator; a dotted name walks nested objects."""

    kind: ClassVar[str] = "trait"
    trait: PropertyName

    @property
    def sentence(self) -> str:
        return f"{self.trait} {values(self.asked)}"

    def facts(self, compilation: Compilation) -> dict[str, Select[Any]]:
        """The whole top-level trait in force; None is missing."""
        mine = compilation.subjects.c
        known_at = _seen_at(compilation)
        newest = (
            select(traits.c.value)
            .join(compilation.subjects, mine.customer_id == traits.c.customer_id)
            .where(traits.c.name == parse_path(self.trait).first, known_at <= mine.at)
            .order_by(traits.c.occurred_at.desc(), traits.c.id.desc())
            .limit(1)
        )
        return {"value": newest}

    def tell(self, found: Mapping[str, Any]) -> str:
        path = parse_path(self.trait).inside()
        values = [value for value in path.find(found["value"]) if value is not None]
        if not values:
            return "missing"
        return ", ".join(json.dumps(value, ensure_ascii=False) for value in values[:MOST_TOLD])

    def lacks(self, found: Mapping[str, Any]) -> str:
        return f"needed: one that {values(self.asked)}"

    def compile(self, compilation: Compilation) -> Verdict:
        return compilation.leaf(
            self, lambda: self._leaf(compilation), on_nothing=self._asks_for_absence
        )

    @property
    def _asks_for_absence(self) -> bool:
        return (
            self.exists is False
            and self.written_operators == ("exists",)
            and not parse_path(self.trait).means_several
        )

    def _leaf(self, compilation: Compilation) -> Select[Any]:
        """In force is the version of the latest timestamp; of equal ones, the later arrival."""
        path = parse_path(self.trait)
        text, fits = self._read(path.inside())
        versions = _versions(compilation, path.first, text, fits)
        placed = self._placed(versions, compilation)
        own = placed.table.c
        in_force = and_(own.begins <= own.at, own.place == 1)
        has_begun = [moment <= own.at for moment in placed.begins]
        not_over = [moment > own.at for moment in placed.ends]
        fits = and_(own.fits == 1, *placed.bounds, *has_begun, *not_over)
        turns = soonest(*(still_ahead(m, own.at) for m in (*placed.begins, *placed.ends)))
        holds = func.max(case((in_force, case((fits, 1), else_=0))))
        return select(
            own.id,
            func.coalesce(holds, int(self._asks_for_absence)).label("holds"),
            soonest(
                func.min(still_ahead(own.begins, own.at)), func.min(case((in_force, turns)))
            ).label("next_check_at"),
        ).group_by(own.id)

    def _read(self, path: PropertyPath) -> tuple[ColumnElement[str], ColumnElement[bool]]:
        """The text that dates are read from, and whether the value, or any of a list, fits."""
        if path.means_several:
            elements = JsonElements.at(traits.c.value, path)
            return cast(null(), Text), elements.any(self.ask(elements.value))
        held = JsonValue(traits.c.value, path.keys)
        return held.text, self.ask(held)

    @model_validator(mode="after")
    def _asks_what_elements_can_tell(self) -> Self:
        check_asks_elements(self.trait, self)
        return self

    def _placed(self, versions: CTE, compilation: Compilation) -> Placed:
        if not self.asks_dates:
            return Placed(versions)
        return place(versions, "text", self, compilation.lexicon.zone)


def _seen_at(compilation: Compilation) -> Micros:
    return compilation.seen_at(micros(traits.c.occurred_at), micros(traits.c.known_at))


def _versions(
    compilation: Compilation,
    name: str,
    text: ColumnElement[str],
    fits: ColumnElement[bool],
) -> CTE:
    """Every version; `place` 1 is the newest of those that began, and of those yet to come."""
    mine = compilation.subjects.c
    begins = _seen_at(compilation)
    place = func.row_number().over(
        partition_by=(mine.id, begins <= mine.at),
        order_by=(traits.c.occurred_at.desc(), traits.c.id.desc()),
    )
    return (
        select(
            mine.id,
            mine.at,
            text.label("text"),
            case((fits, 1), else_=0).label("fits"),
            begins.label("begins"),
            place.label("place"),
        )
        .join(traits, traits.c.customer_id == looked_up_by(mine.customer_id))
        .where(traits.c.name == name)
        .cte()
    )
