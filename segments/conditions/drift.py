"""`drift: STATE`: how far a customer has drifted by their own rhythm."""

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, StrictBool, model_validator

from segments.conditions.base import ConditionBase
from segments.conditions.fields import Number, Range

State = Literal["new", "active", "cooling", "drifting", "dormant", "lost"]


class Risk(BaseModel):
    """Bounds on the chance that nothing comes within the horizon."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_least: Number | None = None
    at_most: Number | None = None
    more_than: Number | None = None
    less_than: Number | None = None
    between: Range | None = None

    @model_validator(mode="after")
    def _bounds_are_shares(self) -> Self:
        single = (self.at_least, self.at_most, self.more_than, self.less_than)
        bounds = [bound for bound in (*single, *(self.between or ())) if bound is not None]
        if not bounds:
            raise ValueError("risk needs a comparison, as in {at_least: 0.8}")
        if any(not 0 <= bound <= 1 for bound in bounds):
            raise ValueError("a risk lies between 0 and 1")
        return self


class Drift(ConditionBase):
    """In this state or one farther gone (`cooling` to `lost`), or exactly in it.

    `active` and `new` always mean just that; people whose clock never started are in no state.
    """

    kind: ClassVar[str] = "drift"
    drift: State
    exactly: StrictBool = False
    risk: Risk | None = None
    clock: Literal["goal", "any"] = "goal"
