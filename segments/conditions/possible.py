"""Bounds and types that leave nothing: a rule that can never hold is a slip, and refused."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from segments.counting import Amount

Bound = tuple[float, bool, str]  # the number, whether it is itself left out, the key that says so

NUMBERS = ("at_least", "at_most", "more_than", "less_than", "between")
TEXTS = ("starts_with", "ends_with")
DATES = ("before", "after", "in_last", "in_next", "anniversary_in_next")
DAY = timedelta(days=1)


def check_bounds(amount: Amount, *, from_zero: bool = False) -> None:
    """Raises ValueError where no number lies within all bounds; a count lies from zero on."""
    zero: list[Bound] = [(0, False, "")] if from_zero else []
    low = max([*zero, *_lows(amount)], default=None, key=lambda bound: bound[:2])
    high = min(_highs(amount), default=None, key=lambda bound: (bound[0], not bound[1]))
    if low is None or high is None:
        return
    if low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1])):
        if not low[2]:
            raise ValueError(f"'{high[2]}' leaves nothing: there is never less than none")
        raise ValueError(f"'{high[2]}' and '{low[2]}' leave no number between them")


def _lows(amount: Amount) -> Iterator[Bound]:
    if amount.between is not None:
        yield amount.between[0], False, "between"
    for name, is_strict in (("at_least", False), ("exactly", False), ("more_than", True)):
        if (bound := getattr(amount, name)) is not None:
            yield bound, is_strict, name


def _highs(amount: Amount) -> Iterator[Bound]:
    if amount.between is not None:
        yield amount.between[1], False, "between"
    for name, is_strict in (("at_most", False), ("exactly", False), ("less_than", True)):
        if (bound := getattr(amount, name)) is not None:
            yield bound, is_strict, name


def check_types(asked: Mapping[str, Any]) -> None:
    """Raises ValueError where no value is of the types that all operators need; keys as written."""
    if asked.get("exists") is False and len(asked) > 1:
        other = next(key for key in asked if key != "exists")
        raise ValueError(f"'{other}' asks for a value and 'exists: false' for none")
    possible, because = frozenset[str](), ""
    for key, value in asked.items():
        if (types := _types_for(key, value)) is None:
            continue
        if because and not possible & types:
            raise ValueError(f"'{key}' and '{because}' ask for values of different types")
        possible, because = (possible & types if because else types), because or key


def _types_for(key: str, value: Any) -> frozenset[str] | None:
    """The types of values for which this operator can hold; None for any."""
    if key in NUMBERS:
        return frozenset({"number"})
    if key in TEXTS or key in DATES:
        return frozenset({"text"})
    match key:
        case "is" | "is_not":
            return frozenset({_type_of(value)})
        case "in" | "not_in":
            return frozenset(map(_type_of, value))
        case "contains":
            return frozenset({"list", "text"} if isinstance(value, str) else {"list"})
        case _:
            return None


def _type_of(value: object) -> str:
    match value:
        case bool():
            return "truth"
        case int() | float():
            return "number"
        case _:
            return "text"


def check_dates(asked: Mapping[str, Any]) -> None:
    """Raises ValueError where no date can satisfy all that is asked of it; keys as written."""
    before, after = asked.get("before"), asked.get("after")
    past = "in_last" if "in_last" in asked else "before" if before == "today" else ""
    ahead = "in_next" if "in_next" in asked else "after" if after == "today" else ""
    if past and ahead:
        raise ValueError(f"'{ahead}' and '{past}' ask for a date both ahead and past")
    if isinstance(before, date) and isinstance(after, date) and _leaves_no_day(after, before):
        raise ValueError("'before' and 'after' leave no date between them")


def check_order(since: date, until: date) -> None:
    """Raises ValueError where the one lies after the other; a day and an instant go by days."""
    both_instants = isinstance(since, datetime) and isinstance(until, datetime)
    if since > until if both_instants else _day(since) > _day(until):
        raise ValueError("'until' lies before 'since'")


def _leaves_no_day(after: date, before: date) -> bool:
    """Both bounds are strict, and a written date is all of its day."""
    if isinstance(after, datetime) and isinstance(before, datetime):
        return after >= before
    if isinstance(after, datetime) or isinstance(before, datetime):
        return _day(after) > _day(before)
    return after + DAY >= before


def _day(moment: date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment
