"""Rules in plain words, for people who do not write them: amounts, windows, values, lists."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from rekindle.durations import write_duration
from segments.counting import Amount

OPERATORS = {
    "is": "is {}", "is_not": "is not {}", "in": "is {}", "not_in": "is not {}",
    "at_least": "is at least {}", "at_most": "is at most {}", "exactly": "is exactly {}",
    "more_than": "is more than {}", "less_than": "is less than {}", "between": "is from {} to {}",
    "contains": "contains {}", "starts_with": "begins with {}", "ends_with": "ends with {}",
    "before": "is before {}", "after": "is after {}", "in_last": "was in the last {}",
    "in_next": "is in the next {}", "anniversary_in_next": "has its anniversary in the next {}",
}  # fmt: skip


def times(amount: Amount) -> str:
    """How often: `never`, `at least twice`, `2 to 5 times`."""
    if amount.exactly == 0 or amount.at_most == 0:
        return "never"
    said = []
    if amount.between is not None:
        low, high = amount.between
        between = f"{_plain(low)} to {_plain(high)} times"
        said.append(between if low < high else f"exactly {_counted(low)}")
    for name, words in (("exactly", "exactly"), ("at_least", "at least"), ("at_most", "at most")):
        if (bound := getattr(amount, name)) is not None:
            said.append(f"{words} {_counted(bound)}")
    return " and ".join(said)


def _counted(number: float) -> str:
    return {1: "once", 2: "twice"}.get(int(number), f"{_plain(number)} times")


def bounds(amount: Amount) -> str:
    """`is at least 100 and is at most 200`."""
    names = ("exactly", "between", "at_least", "at_most", "more_than", "less_than")
    asked = {name: getattr(amount, name) for name in names}
    return values({name: bound for name, bound in asked.items() if bound is not None})


def values(asked: dict[str, Any]) -> str:
    """What is asked of one value, operator by operator as written."""
    return " and ".join(_operator(name, bound) for name, bound in asked.items())


def _operator(name: str, bound: Any) -> str:
    if name == "exists":
        return "is known" if bound else "is missing"
    if name == "between":
        return OPERATORS[name].format(*map(_plain, bound))
    if name in ("in", "not_in"):
        return OPERATORS[name].format(listed([_plain(one) for one in bound]))
    return OPERATORS[name].format(_plain(bound))


def window(
    within: timedelta | None, older_than: timedelta | None, since: Any = None, until: Any = None
) -> str:
    """When: `in the last 30 days`, `at least 7 days ago`, `since 2026-03-01`; empty for ever."""
    said = []
    if within is not None:
        said.append(f"in the last {write_duration(within)}")
    if older_than is not None:
        said.append(f"at least {write_duration(older_than)} ago")
    if since is not None:
        said.append(f"since {_plain(since)}")
    if until is not None:
        said.append(f"until {_plain(until)}")
    return " and ".join(said)


def listed(words: Sequence[str], joint: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"


def shortfall(number: float | None, amount: Amount) -> str:
    """What a number lacks or has too much to lie within the bounds; empty if it does."""
    if number is None:
        return "there is nothing to compare"
    lows = (amount.at_least, amount.exactly, amount.between and amount.between[0], amount.more_than)
    highs = (amount.at_most, amount.exactly, amount.between and amount.between[1], amount.less_than)
    low = max((bound for bound in lows if bound is not None), default=None)
    high = min((bound for bound in highs if bound is not None), default=None)
    if low is not None and number < low:
        return f"{_plain(low - number)} more needed"
    if high is not None and number > high:
        return f"{_plain(number - high)} too many"
    if number in (amount.more_than, amount.less_than):
        return "just at the bound, which does not count"
    return ""


def moment(instant: datetime) -> str:
    """An instant to the minute, in UTC."""
    return f"{instant:%Y-%m-%d %H:%M}"


def sentence(*parts: str) -> str:
    """The parts that say something, one after the other."""
    return " ".join(part for part in parts if part)


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case timedelta():
            return write_duration(value)
        case datetime():
            return moment(value)
        case date():
            return value.isoformat()
        case str() if value != "today":
            return f"“{value}”"
        case _:
            return str(value)
