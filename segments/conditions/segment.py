"""`segment: NAME`: what another segment's rule says at the same instant."""

from typing import ClassVar

from segments.conditions.base import ConditionBase


class InSegment(ConditionBase):
    """The other segment's rule holds, asked afresh and never read from stored membership."""

    kind: ClassVar[str] = "segment"
    segment: str

    @property
    def named_segments(self) -> tuple[str, ...]:
        return (self.segment,)
