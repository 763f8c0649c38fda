"""`answer: SURVEY`: what the customer last said."""

from typing import ClassVar, Self

from pydantic import StrictBool, model_validator

from segments.conditions.base import ConditionBase
from segments.conditions.fields import Number, Range, Stretch

ANY = "any"


class Answer(ConditionBase):
    """The latest counting answer, or with `any: true` one of them, has such a score and lies in the window.

    Without a comparison any score will do. In a journey it speaks of this enrollment alone unless `ever: true`.
    """

    kind: ClassVar[str] = "answer"
    answer: str
    any: StrictBool = False
    exists: StrictBool | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    more_than: Number | None = None
    less_than: Number | None = None
    exactly: Number | None = None
    between: Range | None = None
    within: Stretch | None = None
    ever: StrictBool = False

    @property
    def named_surveys(self) -> tuple[str, ...]:
        return () if self.answer == ANY else (self.answer,)

    @model_validator(mode="after")
    def _absent_has_no_score(self) -> Self:
        scores = ("at_least", "at_most", "more_than", "less_than", "exactly", "between")
        if self.exists is False and any(getattr(self, name) is not None for name in scores):
            raise ValueError("an answer that does not exist has no score to compare")
        return self
