"""How much of anything a template may have: characters, list items, digits, turns of a loop."""

from collections.abc import Callable, Mapping, Sized
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Never

from jinja2 import Undefined, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, Macro

from rekindle.locales import write_day
from templates.rendering import LONGEST_TEXT, TooMuch, current

LONGEST_RANGE = 1_000
MOST_BITS = 1_024  # of a whole number
HEAVIEST = 10_000  # values inside a list or mapping that a template builds
CHARACTERS_A_TICK = 1_000
ITEMS_A_TICK = 20
# filters that go through a text by its characters, as through a list
GOING_THROUGH = frozenset({
    "dictsort", "groupby", "join", "list", "map", "max", "min", "reject", "rejectattr", "select",
    "selectattr", "sort", "sum", "unique",
})  # fmt: skip


def added(left: Any, right: Any) -> Any:
    """`left + right`, unless the sum would be too long."""
    if isinstance(left, Sized) and isinstance(right, Sized):
        current().budget.spend(weight(left) + weight(right))
        check_length(len(left) + len(right))
        return weighed(left + right) if isinstance(left, list | tuple) else left + right  # type: ignore[operator]
    return left + right


def multiplied(
    operator: str, left: Any, right: Any, compute: Callable[..., Any], context: Context
) -> Any:
    """`*` or `%` of two numbers of sensible size. Raises SecurityError for anything else."""
    for side in (left, right):
        if not isinstance(side, int | float | Decimal):
            raise SecurityError(f"{operator!r} is for numbers only; for text there are filters.")
        if isinstance(side, int) and side.bit_length() > MOST_BITS:
            raise TooMuch("a number becomes too large.")
    return compute(context, operator, left, right)


def weight(value: Any) -> int:
    """The ticks that looking at all of `value` costs."""
    if isinstance(value, str):
        return len(value) // CHARACTERS_A_TICK
    if isinstance(value, int | float | Undefined) or not isinstance(value, Sized):
        return 0
    return len(value) // ITEMS_A_TICK


def weighed(value: Any) -> Any:
    """A list or mapping that a template built, unless it holds (or repeats) too many values."""
    left = HEAVIEST
    waiting = [value]
    while waiting:
        item = waiting.pop()
        left -= 1
        if left < 0:
            raise TooMuch(f"a list holds more than {HEAVIEST:,} values.")
        if isinstance(item, Mapping):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
    return value


def bounded(value: Any) -> Any:
    """What a call returned, unless it is too long."""
    if isinstance(value, str):
        check_length(len(value))
    elif isinstance(value, dict):
        weighed(value)
    elif isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise TooMuch("a number becomes too large.")
    return value


def check_length(length: int) -> None:
    if length > LONGEST_TEXT:
        raise TooMuch(f"a text becomes longer than {LONGEST_TEXT:,} characters.")


def limited_range(*arguments: int) -> range:
    numbers = range(*arguments)
    if len(numbers) > LONGEST_RANGE:
        raise TooMuch(f"range() gives at most {LONGEST_RANGE:,} numbers.")
    return numbers


def charged(name: str, one: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that pays for the length of what it looks at, and whose text stays bounded."""
    goes_through = name in GOING_THROUGH
    kind = getattr(one, "jinja_pass_arg", None)
    passed = PASSED[kind.name] if kind else None

    @pass_context
    def run(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        is_gone_through = goes_through and isinstance(value, str)
        ticks = len(value) // ITEMS_A_TICK if is_gone_through else weight(value)
        current().budget.spend(1 + ticks)
        if passed is None:
            return bounded(one(value, *args, **kwargs))
        return bounded(one(passed(context), value, *args, **kwargs))

    return run


# what Jinja hands to a filter before its value
PASSED: Mapping[str, Callable[[Context], Any]] = {
    "context": lambda context: context,
    "eval_context": lambda context: context.eval_ctx,
    "environment": lambda context: context.environment,
}


def written(value: Any) -> Any:
    """What `{{ value }}` shows; refuses what has no words, and shows nothing for None."""
    if isinstance(value, str):  # nearly always
        if len(value) > CHARACTERS_A_TICK:
            current().budget.spend(weight(value))
        return value
    match value:
        case None:
            return ""
        case int() | float() | Decimal() | Undefined():
            return value
        case datetime():
            return write_day(value.astimezone(current().zone).date(), current().locale)
        case date():
            return write_day(value, current().locale)
        case _:
            return _refuse_to_write(value)


def _refuse_to_write(value: Any) -> Never:
    if isinstance(value, Macro) or callable(value):
        raise SecurityError("a function was written without calling it: put () behind its name.")
    kind = "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}"
    raise SecurityError(f"{kind} cannot be written as text: name a part of it, or use a loop.")
