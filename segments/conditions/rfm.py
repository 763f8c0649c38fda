"""`rfm: {recency: 4..5, frequency: 3..5}`: in which fifth of all customers somebody is."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from sqlalchemy import CTE, ColumnElement, Select, and_, case, select

from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase
from segments.instants import NULL_INSTANT, micros
from segments.kinds import goal_kinds
from segments.planning import looked_up_by
from segments.quintiles import SHARES, purchases
from segments.wording import moment
from store.tables import QUINTILE_FIGURES, events, quintiles

LOWEST, HIGHEST = 1, 5


def _parse_fifths(written: object) -> object:
    match = re.fullmatch(r"([1-5])(?:\s*\.\.\s*([1-5]))?", _as_text(written))
    if match is None or isinstance(written, bool):
        raise ValueError(f"fifths are written 4..5, or 5, from 1 (the lowest), not {written!r}")
    low, high = int(match[1]), int(match[2] or match[1])
    if low > high:
        raise ValueError(f"nothing lies between {low} and {high}; write the smaller number first")
    return (low, high)


def _as_text(written: object) -> str:
    return "..".join(map(str, written)) if isinstance(written, tuple) else str(written).strip()


Fifths = Annotated[
    tuple[int, int],
    PlainValidator(_parse_fifths),
    PlainSerializer(lambda fifths: f"{fifths[0]}..{fifths[1]}"),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["4..5", 5]}),
]


class Place(BaseModel):
    """The fifths of each figure that will do; those not named, any."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    recency: Fifths | None = None
    frequency: Fifths | None = None
    monetary: Fifths | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.asked:
            raise ValueError("rfm asks at least one of recency, frequency and monetary")
        return self

    @property
    def asked(self) -> dict[str, tuple[int, int]]:
        found = {name: getattr(self, name) for name in QUINTILE_FIGURES}
        return {name: fifths for name, fifths in found.items() if fifths is not None}


class Rfm(ConditionBase):
    """The customer's place among all who ever bought, by the version in force; 5 is the best fifth.

    Equal figures share a place, the lower one. Who never bought has none. A new version is a look
    at everybody, never a next check.
    """

    kind: ClassVar[str] = "rfm"
    rfm: Place

    @property
    def sentence(self) -> str:
        return " and ".join(_in_words(*asked) for asked in self.rfm.asked.items())

    def facts(self, compilation: Compilation) -> dict[str, Select[Any]]:
        """The fifth of each figure, none for those who never bought, and of when they are."""
        own = self.places(compilation).c
        as_of = select(quintiles.c.as_of).join(
            version := _with_version(compilation), version.c.version_id == quintiles.c.id
        )
        return {name: select(own[f"{name}_place"]) for name in QUINTILE_FIGURES} | {"as_of": as_of}

    def tell(self, found: Mapping[str, Any]) -> str:
        if found["as_of"] is None or found["recency"] is None:
            return "in no fifth: never bought before the figures were made"
        places = [f"{name} {found[name]}" for name in QUINTILE_FIGURES]
        return f"{', '.join(places)}, as of {moment(found['as_of'])}"

    def compile(self, compilation: Compilation) -> Verdict:
        return compilation.leaf(self, lambda: self._leaf(compilation), on_nothing=False)

    def _leaf(self, compilation: Compilation) -> Select[Any]:
        own = self.places(compilation).c
        asked = [own[f"{name}_place"].between(*fifths) for name, fifths in self.rfm.asked.items()]
        return select(
            own.id,
            case((and_(*asked), 1), else_=0).label("holds"),
            NULL_INSTANT.label("next_check_at"),
        )

    def places(self, compilation: Compilation) -> CTE:
        """Of every subject who had bought by then: its figures, and in which fifth each is."""
        bought = self._bought(compilation)
        places = [_place(bought, name).label(f"{name}_place") for name in QUINTILE_FIGURES]
        return select(bought, *places).join(quintiles, quintiles.c.id == bought.c.version_id).cte()

    def _bought(self, compilation: Compilation) -> CTE:
        """As known when the version in force was made, however the subject's view is narrowed."""
        asked = _with_version(compilation)
        as_of = micros(quintiles.c.as_of)
        return (
            select(asked.c.id, asked.c.version_id, *purchases(compilation.lexicon))
            .join(quintiles, quintiles.c.id == asked.c.version_id)
            .join(events, events.c.customer_id == looked_up_by(asked.c.customer_id))
            .where(
                events.c.kind_id.in_(goal_kinds(compilation.lexicon)),
                micros(events.c.occurred_at) <= as_of,
                micros(events.c.known_at) <= as_of,
            )
            .group_by(asked.c.id, asked.c.version_id)
            .cte()
        )


def _in_words(name: str, fifths: tuple[int, int]) -> str:
    low, high = fifths
    return f"{name} in fifth {low}" if low == high else f"{name} in fifths {low} to {high}"


def _place(bought: CTE, name: str) -> ColumnElement[int]:
    """One more than the bounds that the figure exceeds; they only grow."""
    bounds = [micros(quintiles.c[f"{name}_{number}"]) for number in range(1, len(SHARES) + 1)]
    ways = [(bought.c[name] <= bound, place) for place, bound in enumerate(bounds, LOWEST)]
    return case(*ways, else_=HIGHEST)


def _with_version(compilation: Compilation) -> CTE:
    """The subjects, each with the version in force at its instant."""
    mine = compilation.subjects.c
    newest = (
        select(quintiles.c.id)
        .where(compilation.known_at(micros(quintiles.c.known_at)) <= mine.at)
        .order_by(quintiles.c.known_at.desc(), quintiles.c.id.desc())
        .limit(1)
        .correlate(compilation.subjects)
        .scalar_subquery()
    )
    return select(mine.id, mine.customer_id, newest.label("version_id")).cte()
