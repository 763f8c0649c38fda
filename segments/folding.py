"""`and`, `or` and `not` in which constants disappear, so that what is known early is seen early."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, false, not_, or_, true
from sqlalchemy.sql.elements import False_, True_

Truth = ColumnElement[bool]


def every(parts: Iterable[Truth]) -> Truth:
    """All of them; true for none."""
    kept = [part for part in parts if not isinstance(part, True_)]
    if any(isinstance(part, False_) for part in kept):
        return false()
    return and_(*kept) if kept else true()


def either(parts: Iterable[Truth]) -> Truth:
    """At least one of them; false for none."""
    kept = [part for part in parts if not isinstance(part, False_)]
    if any(isinstance(part, True_) for part in kept):
        return true()
    return or_(*kept) if kept else false()


def opposite(part: Truth) -> Truth:
    match part:
        case True_():
            return false()
        case False_():
            return true()
        case _:
            return not_(part)


def is_never(part: Truth) -> bool:
    return isinstance(part, False_)
