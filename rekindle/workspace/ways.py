"""Ways that lead from a name over what it names back to itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

Hop = TypeVar("Hop")


def find_circles(
    onward: Mapping[str, Sequence[Hop]], to: Callable[[Hop], str]
) -> Iterator[tuple[str, tuple[Hop, ...]]]:
    """Each circle once, from the first name on it in alphabetical order, by its shortest way.

    `onward` holds the hops that lead on from each name, and `to` tells where a hop leads.
    """
    told: set[frozenset[str]] = set()
    for name in sorted(onward):
        way = _way_back(name, onward, to)
        members = frozenset(map(to, way))
        if way and members not in told:
            told.add(members)
            yield name, way


def _way_back(
    name: str, onward: Mapping[str, Sequence[Hop]], to: Callable[[Hop], str]
) -> tuple[Hop, ...]:
    """The shortest way from `name` to itself, or nothing."""
    ways: list[tuple[Hop, ...]] = [(one,) for one in onward.get(name, ())]
    seen: set[str] = set()
    for way in ways:  # grows while it is walked: breadth first
        last = to(way[-1])
        if last == name:
            return way
        if last not in seen:
            seen.add(last)
            ways.extend((*way, one) for one in onward.get(last, ()))
    return ()
