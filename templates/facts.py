"""What is told of a customer or an event, each part of a size that a message can work with.

Traits and properties come from outside, and nothing can interrupt one call of a filter or of
Python: so what goes into it is bounded before. A part that is too large is as good as absent: it
can be replaced by a default, and a mail that writes it is refused with a reason.
"""

from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined

from templates.sandbox import Facts

LONGEST_FACT = 50_000  # characters in one part: a long article
MOST_VALUES = 5_000  # in one part: an order with hundreds of lines
DEEPEST = 20  # lists and mappings inside each other
LARGEST_NUMBER = 10**38  # of whole ones


class TooLarge(StrictUndefined):
    """A part of the facts that no message can show."""

    __slots__ = ()


def bounded_facts(name: str, values: Mapping[str, Any]) -> Facts:
    """Return the facts called `name`, with `TooLarge` in place of every part that is too large.

    `values` are as JSON gives them; asked for every message, so written for speed.
    """
    facts = Facts(name, values)
    for key, value in values.items():
        kind = type(value)
        if kind is str:
            is_small = len(value) <= LONGEST_FACT
        elif kind is int:
            is_small = -LARGEST_NUMBER < value < LARGEST_NUMBER
        else:
            is_small = kind not in (dict, list) or _is_small(value)
        if not is_small:
            facts[key] = TooLarge(f"{name}.{key[:100]} is too large for a message")
    return facts


def _is_small(value: dict[str, Any] | list[Any]) -> bool:
    """Whether a list or mapping and all that is in it stays below every bound."""
    characters, values, level = 0, 0, [value]
    for _ in range(DEEPEST):
        inside: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                characters += sum(map(len, item))
                inside.extend(item.values())
            else:
                inside.extend(item)
        values += len(inside)
        if values > MOST_VALUES:
            return False
        characters += sum(len(one) for one in inside if type(one) is str)
        whole = [one for one in inside if type(one) is int]
        is_large = whole and not -LARGEST_NUMBER < min(whole) <= max(whole) < LARGEST_NUMBER
        if characters > LONGEST_FACT or is_large:
            return False
        level = [one for one in inside if type(one) in (dict, list)]
        if not level:
            return True
    return False
