"""What can be asked of one JSON value: the operators of traits and of event properties."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, model_validator

from segments.conditions.fields import DateBound, Number, PlainValue, Range, Stretch


class Operators(BaseModel):
    """All that are written must hold; a value that is missing or of another type holds none.

    `exists: false` is the one exception. Strict: more_than, less_than, before, after; all other bounds are inclusive.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
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
        if not self.written_operators:
            raise ValueError("at least one operator is needed, for example exists: true")
        if self.in_ == () or self.not_in == ():
            raise ValueError("the list is empty")
        return self

    @property
    def written_operators(self) -> tuple[str, ...]:
        """The operators that were written, by field name."""
        return tuple(name for name in OPERATORS if getattr(self, name) is not None)


OPERATORS = tuple(Operators.model_fields)
