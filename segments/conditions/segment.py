"""`segment: NAME`: what another segment's rule says at the same instant."""

from collections.abc import Mapping
from typing import Any, ClassVar

from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase


class InSegment(ConditionBase):
    """The other segment's rule holds, asked afresh and never read from stored membership."""

    kind: ClassVar[str] = "segment"
    segment: str

    @property
    def named_segments(self) -> tuple[str, ...]:
        return (self.segment,)

    @property
    def sentence(self) -> str:
        return f"is in {self.segment}"

    def lacks(self, found: Mapping[str, Any]) -> str:
        """Its own conditions stand below it and say that."""
        return ""

    def compile(self, compilation: Compilation) -> Verdict:
        """Raises ValueError for a segment that is not there, or that comes back to itself."""
        other = compilation.lexicon.segments.get(self.segment)
        if other is None:
            raise ValueError(f"no segment is called {self.segment!r}")
        if self.segment in compilation.passed:
            way = " → ".join((*compilation.passed, self.segment))
            raise ValueError(f"segments refer to each other in a circle: {way}")
        return other.match.compile(compilation.of_segment(self.segment))
