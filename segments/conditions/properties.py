"""`where`: what is asked of the properties of an event, also of every element of a list in it."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from sqlalchemy import ColumnElement, and_, false, func, not_

from segments.conditions.fields import Number, PropertyName, Range
from segments.conditions.operators import Operators
from segments.conditions.possible import check_bounds
from segments.counting import FIGURES, Amount
from segments.paths import PropertyPath, parse_path
from segments.values import JsonElements, JsonValue
from segments.wording import bounds, values

QUANTIFIERS = ("any", "all", "none")
# over elements: how they are written, and which figure it is; a count is of whatever is meant
ELEMENT_FIGURES = {
    "count": "", "sum": "sum_of", "average": "average_of", "highest": "highest_of",
    "lowest": "lowest_of", "distinct": "distinct",
}  # fmt: skip
WHOLE = ("count", "distinct")
WORDS = {
    "count": "the number of", "sum": "the sum of", "average": "the average of",
    "highest": "the highest of", "lowest": "the lowest of", "distinct": "how many different",
}  # fmt: skip


class Bounds(BaseModel):
    """Bounds on a figure; all that are written must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    at_least: Number | None = None
    at_most: Number | None = None
    exactly: Number | None = None
    between: Range | None = None
    more_than: Number | None = None
    less_than: Number | None = None

    @model_validator(mode="after")
    def _has_some(self) -> Self:
        if not Amount.of(self).has_bounds:
            raise ValueError("a comparison is needed here, as in {at_least: 2}")
        check_bounds(Amount.of(self))
        return self


def _value_or_operators(written: object) -> object:
    if isinstance(written, list | tuple):
        raise ValueError("a list is not a value here; write {in: […]}")
    return written if isinstance(written, Mapping | Operators) else {"is": written}


def _number_or_bounds(written: object) -> object:
    return {"exactly": written} if isinstance(written, int | float) else written


_may_be_a_value = BeforeValidator(
    _value_or_operators, json_schema_input_type=bool | int | float | str | dict[str, Any]
)


class ElementOperators(Operators):
    """What is asked of one element of a list: of its value, and of what is inside of it."""

    # the schema of editors stops here, as it does at other mappings of properties
    where: (
        Annotated[
            Mapping[PropertyName, Annotated["PropertyOperators", _may_be_a_value]],
            AfterValidator(lambda asked: checked(asked)),  # noqa: PLW0108  # defined below
            WithJsonSchema({"type": "object", "minProperties": 1}),
        ]
        | None
    ) = Field(None, description="of each element: properties that one and the same must have")

    @model_validator(mode="after")
    def _asks_no_dates_inside(self) -> Self:
        if any(asked.asks_dates for asked in (self.where or {}).values()):
            raise ValueError("dates cannot be asked of each element of a list")
        return self

    @property
    def has_own(self) -> bool:
        """Whether anything is asked of an element itself."""
        return bool(self.written_operators) or self.where is not None

    @property
    def _says_more(self) -> bool:
        return self.where is not None

    def ask_element(self, value: JsonValue) -> ColumnElement[bool]:
        """Whether one element satisfies all that is asked of it; never NULL."""
        inside = [
            asked.ask_at(value.column, parse_path(name).below(value.path))
            for name, asked in (self.where or {}).items()
        ]
        return and_(self.ask(value), *inside)

    @property
    def own_words(self) -> str:
        """What is asked of an element, in plain words."""
        said = [values(self.asked)] if self.written_operators else []
        if self.where:
            said.append(f"has {tell_where(self.where)}")
        return " and ".join(said)


Element = Annotated[ElementOperators, _may_be_a_value]
Figure = Annotated[
    Bounds, BeforeValidator(_number_or_bounds, json_schema_input_type=float | dict[str, Any])
]


class PropertyOperators(ElementOperators):
    """What is asked of one value or, where the name means each of a list, of its elements.

    Operators that stand alone ask for any element that satisfies all of them; beside a figure they
    choose the elements it is of. A list that is missing or empty has no elements: `any` and `all`
    are then false and `none` is true.
    """

    any_: Element | None = Field(None, alias="any", description="some element")
    all_: Element | None = Field(None, alias="all", description="every element, and at least one")
    none: Element | None = Field(None, description="no element")
    count: Figure | None = Field(None, description="how many elements")
    sum: Figure | None = None
    average: Figure | None = None
    highest: Figure | None = None
    lowest: Figure | None = None
    distinct: Figure | None = Field(None, description="how many different values")

    @property
    def figures(self) -> dict[str, Bounds]:
        """The figures over elements that were written."""
        return {name: asked for name in ELEMENT_FIGURES if (asked := getattr(self, name))}

    @property
    def asks_of_elements(self) -> tuple[str, ...]:
        """The keys that were written and have a meaning for elements alone."""
        quantified = [name for name, asked in self._quantified.items() if asked is not None]
        return (*quantified, *self.figures, *(("where",) if self.where is not None else ()))

    @property
    def _says_more(self) -> bool:
        return bool(self.asks_of_elements)

    @property
    def _quantified(self) -> dict[str, ElementOperators | None]:
        return {"any": self.any_, "all": self.all_, "none": self.none}

    @model_validator(mode="after")
    def _counts_are_whole(self) -> Self:
        for name in WHOLE:
            if (asked := getattr(self, name)) is not None:
                written = [*vars(asked).values()]
                single = [*written, *(asked.between or ())]
                if any(isinstance(n, float) or (isinstance(n, int) and n < 0) for n in single):
                    raise ValueError(f"'{name}' is a whole number from 0")
                check_bounds(Amount.of(asked), from_zero=True)
        return self

    def ask_at(self, column: ColumnElement[Any], path: PropertyPath) -> ColumnElement[bool]:
        """Whether what lies at `path` satisfies all that is asked but dates; never NULL."""
        if not path.means_several:
            return self.ask(JsonValue(column, path.keys))
        asked: list[ColumnElement[bool]] = []
        if self.has_own and not self.figures:
            asked.append(_is_any(column, path, self))
        if self.any_ is not None:
            asked.append(_is_any(column, path, self.any_))
        if self.all_ is not None:
            asked += [_is_any(column, path, self.all_), not_(_fails_any(column, path, self.all_))]
        if self.none is not None:
            asked.append(not_(_is_any(column, path, self.none)))
        asked += [
            self._figure_fits(name, asked, column, path) for name, asked in self.figures.items()
        ]
        return and_(*asked)

    def _figure_fits(
        self, name: str, asked: Bounds, column: ColumnElement[Any], path: PropertyPath
    ) -> ColumnElement[bool]:
        elements = JsonElements.at(column, path)
        value = elements.value
        chosen = self.ask_element(value) if self.has_own else value.is_present
        match name:
            case "count":
                of: ColumnElement[Any] = func.count()
            case "distinct":
                of = FIGURES["distinct"](value.identity)
            case _:
                of = FIGURES[ELEMENT_FIGURES[name]](value.number)
        figure = elements.read(of, chosen).scalar_subquery()
        return func.coalesce(Amount.of(asked).admits(figure), false())

    def words(self, name: str) -> str:
        """What is asked of the property of this name, in plain words."""
        if not parse_path(name).means_several:
            return f"{name} {values(self.asked)}"
        said = []
        if self.has_own and not self.figures:
            said.append(f"any of {name} {self.own_words}")
        for word, asked in self._quantified.items():
            if asked is not None:
                said.append(f"{'every' if word == 'all' else word} of {name} {asked.own_words}")
        which = f" that {self.own_words}" if self.has_own else ""
        for figure, bound in self.figures.items():
            said.append(f"{WORDS[figure]} {name}{which} {bounds(Amount.of(bound))}")
        return " and ".join(said)


def _is_any(
    column: ColumnElement[Any], path: PropertyPath, asked: ElementOperators
) -> ColumnElement[bool]:
    elements = JsonElements.at(column, path)
    return elements.any(asked.ask_element(elements.value))


def _fails_any(
    column: ColumnElement[Any], path: PropertyPath, asked: ElementOperators
) -> ColumnElement[bool]:
    elements = JsonElements.at(column, path)
    return elements.any(not_(asked.ask_element(elements.value)))


def check_asks_elements(name: str, asked: Operators) -> None:
    """Raises ValueError where what is asked does not suit the property of this name."""
    path = parse_path(name)
    if isinstance(asked, PropertyOperators) and not path.means_several:
        if asked.asks_of_elements:
            key = asked.asks_of_elements[0]
            raise ValueError(
                f"'{key}' is of the elements of a list; write {name}[] or {name}[].NAME"
            )
        return
    if not path.means_several:
        return
    parts = [asked]
    if isinstance(asked, PropertyOperators):
        parts += [part for part in (asked.any_, asked.all_, asked.none) if part is not None]
    for part in parts:
        if part.asks_dates:
            raise ValueError(
                f"dates cannot be asked of each element of a list; ask one, as in {_first_of(name)}"
            )
        if part.exists is False and path.ends_in_elements:
            raise ValueError("no element of a list is missing; for an empty one write count: 0")


def _first_of(name: str) -> str:
    return name.replace("[]", ".0")


def checked(asked: Mapping[str, "PropertyOperators"]) -> dict[str, "PropertyOperators"]:
    """In order of names. Raises ValueError where one does not suit its property."""
    for name, operators in asked.items():
        check_asks_elements(name, operators)
    return dict(sorted(asked.items()))


def tell_where(where: Mapping[str, PropertyOperators]) -> str:
    """What `where` asks, in plain words."""
    return " and ".join(asked.words(name) for name, asked in where.items())


Asked = Annotated[PropertyOperators, _may_be_a_value]
Where = Annotated[Mapping[PropertyName, Asked], AfterValidator(checked)]
