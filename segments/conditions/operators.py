"""What can be asked of one JSON value: the operators of traits and of event properties."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, model_validator
from sqlalchemy import ColumnElement, and_, false, func, not_, true

from segments.conditions.fields import DateBound, Number, PlainValue, Range, Stretch
from segments.conditions.possible import check_bounds, check_dates, check_types
from segments.counting import Amount
from segments.values import JsonValue

LONGEST_LIST = 10_000  # each value is a parameter, and databases take so many only


class Operators(BaseModel):
    """All that are written must hold; a value that is missing or of another type holds none.

    `exists: false` is the one exception. more_than, less_than, before and after are strict; all
    other bounds are inclusive.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        allow_inf_nan=False,
        defer_build=True,
    )

    is_: PlainValue | None = Field(None, alias="is")
    is_not: PlainValue | None = None
    in_: tuple[PlainValue, ...] | None = Field(None, alias="in")
    not_in: tuple[PlainValue, ...] | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    more_than: Number | None = None
    less_than: Number | None = None
    between: Range | None = None
    contains: PlainValue | None = None
    starts_with: StrictStr | None = None
    ends_with: StrictStr | None = None
    exists: StrictBool | None = None
    before: DateBound | None = None
    after: DateBound | None = None
    in_last: Stretch | None = None
    in_next: Stretch | None = None
    anniversary_in_next: Stretch | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_null(cls, written: Any) -> Any:
        for key, value in written.items() if isinstance(written, Mapping) else ():
            if value is None and key != "trait":
                raise ValueError(
                    f"'{key}' has no value; to ask for what is missing use exists: false"
                )
        return written

    @model_validator(mode="after")
    def _says_something_possible(self) -> Self:
        if not self.written_operators and not self._says_more:
            raise ValueError("at least one operator is needed, for example exists: true")
        if self.in_ == () or self.not_in == ():
            raise ValueError("the list is empty")
        for name, listed in (("in", self.in_), ("not_in", self.not_in)):
            if listed is not None and len(listed) > LONGEST_LIST:
                raise ValueError(f"'{name}' takes at most {LONGEST_LIST:,} values")
        check_types(self.asked)
        check_dates(self.asked)
        check_bounds(Amount.of(self))
        return self

    @property
    def _says_more(self) -> bool:
        """Whether anything is asked beside the operators."""
        return False

    @property
    def written_operators(self) -> tuple[str, ...]:
        """The operators that were written, by field name."""
        return tuple(name for name in OPERATORS if getattr(self, name) is not None)

    @property
    def asked(self) -> dict[str, Any]:
        """The operators that were written, as they were written."""
        return {name.rstrip("_"): getattr(self, name) for name in self.written_operators}

    @property
    def asks_dates(self) -> bool:
        return any(getattr(self, name) is not None for name in DATE_OPERATORS)

    @property
    def asks_a_year(self) -> bool:
        """Whether a day without a year cannot satisfy what is asked."""
        names = (name for name in DATE_OPERATORS if name != "anniversary_in_next")
        return any(getattr(self, name) is not None for name in names)

    @property
    def moves(self) -> bool:
        """Whether the passing of time alone can change what holds."""
        relative = (self.in_last, self.in_next, self.anniversary_in_next)
        return "today" in (self.before, self.after) or any(relative)

    def ask(self, value: JsonValue) -> ColumnElement[bool]:
        """Whether `value` satisfies every operator but those of dates; never NULL."""
        asked = [*self._ask_number(value), *self._ask_text(value)]
        if self.is_ is not None:
            asked.append(value.equals(self.is_))
        if self.is_not is not None:
            asked.append(value.is_other_than([self.is_not]))
        if self.in_ is not None:
            asked.append(value.is_among(self.in_))
        if self.not_in is not None:
            asked.append(value.is_other_than(self.not_in))
        if self.contains is not None:
            asked.append(value.contains(self.contains))
        if self.exists is not None:
            asked.append(value.is_present if self.exists else not_(value.is_present))
        return and_(true(), *asked)

    def _ask_number(self, value: JsonValue) -> list[ColumnElement[bool]]:
        amount = Amount.of(self)
        if not amount.has_bounds:
            return []
        return [func.coalesce(amount.admits(value.number), false())]

    def _ask_text(self, value: JsonValue) -> list[ColumnElement[bool]]:
        text, asked = value.text, []
        if self.starts_with is not None:
            asked.append(func.substr(text, 1, len(self.starts_with)) == self.starts_with)
        if self.ends_with is not None:
            start = func.length(text) - len(self.ends_with) + 1
            asked.append(and_(start >= 1, func.substr(text, start) == self.ends_with))
        return [func.coalesce(each, false()) for each in asked]


OPERATORS = tuple(Operators.model_fields)
DATE_OPERATORS = ("before", "after", "in_last", "in_next", "anniversary_in_next")
