"""A rule taken apart for explaining it: condition by condition, other segments' rules included."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from segments.conditions.base import ConditionBase, Path, walk
from segments.conditions.segment import InSegment
from segments.definition import Segment


@dataclass(frozen=True)
class Asked:
    """One condition of a rule or of a segment that it refers to, and how deep inside it stands."""

    condition: ConditionBase
    depth: int
    segment: str  # whose rule it is part of


def asked_in(
    segment: str, segments: Mapping[str, Segment], depth: int = 0, passed: tuple[str, ...] = ()
) -> Iterator[Asked]:
    """Every condition of a segment, those of other segments below the condition that names them."""
    for place, condition in walk(segments[segment].match):
        below = depth + _depth(place)
        yield Asked(condition, below, segment)
        way = (*passed, segment)
        other = condition.segment if isinstance(condition, InSegment) else ""
        if other in segments and other not in way:
            yield from asked_in(other, segments, below + 1, way)


def _depth(place: Path) -> int:
    return sum(isinstance(part, str) for part in place)
