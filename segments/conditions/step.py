"""`step: ID`: what became of an earlier step of this enrollment; only in journeys."""

from typing import ClassVar, Literal

from segments.conditions.base import ConditionBase


class StepOutcome(ConditionBase):
    """The mail of the step's latest visit was taken by the provider, refused, or nobody knows."""

    kind: ClassVar[str] = "step"
    step: str
    outcome: Literal["sent", "refused", "uncertain"]

    @property
    def named_steps(self) -> tuple[str, ...]:
        return (self.step,)
