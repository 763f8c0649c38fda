"""`trait: NAME`: a property of the customer, as known at the instant."""

from typing import ClassVar

from segments.conditions.base import ConditionBase
from segments.conditions.fields import PropertyName
from segments.conditions.operators import Operators


class Trait(Operators, ConditionBase):
    """The trait's current value satisfies every operator; a dotted name walks nested objects."""

    kind: ClassVar[str] = "trait"
    trait: PropertyName

    @property
    def named_traits(self) -> tuple[str, ...]:
        return (self.trait,)
