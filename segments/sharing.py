"""Which segments are asked in one statement: those that read the same, and not too much at once."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from segments.conditions.base import ConditionBase, walk

if TYPE_CHECKING:
    from segments.definition import Segment

# Planning a statement takes PostgreSQL time and memory by the square of what it reads: 12 things
# some hundredths of a second, 80 more than a second and 700 MB.
MOST_TOGETHER = 12
MOST_IN_A_RULE = 40  # which cannot be asked in parts

Segments = Mapping[str, "Segment"]


def share_out(names: Sequence[str], segments: Segments) -> list[list[str]]:
    """All of `names` in groups, those side by side that read the same."""
    read = {name: things_read(segments[name].match, segments) for name in names}
    groups: list[list[str]] = []
    together: set[str] = set()
    for name in sorted(names, key=lambda name: (sorted(read[name]), name)):
        if not groups or len(together | read[name]) > MOST_TOGETHER:
            groups.append([])
            together = set()
        groups[-1].append(name)
        together |= read[name]
    return groups


def things_read(
    condition: ConditionBase, segments: Segments, passed: tuple[str, ...] = ()
) -> set[str]:
    """What must be read to answer it, other segments included; bounds make no difference."""
    found: set[str] = set()
    for _, part in walk(condition):
        for name in part.named_segments:
            if name in segments and name not in passed:
                found |= things_read(segments[name].match, segments, (*passed, name))
        if not part.branches() and not part.named_segments:
            found.add(repr(part.without_bounds))
    return found
