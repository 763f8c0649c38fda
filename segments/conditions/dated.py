"""The operators of dates: during which stretch of time a written date satisfies them.

A date lies before today from the next local midnight on, in the last week for a week, and so forth:
each operator holds from one instant to another, which is all that counting and next checks need.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import CTE, ColumnElement, Text, and_, case, func, literal

from segments.conditions.operators import Operators
from segments.dates import (
    add_civil_date,
    add_columns,
    add_local_day,
    add_written_date,
    civil_day,
    day_start,
    days_in_february,
    number,
)
from segments.days import first_instant, last_instant
from segments.instants import Micros, greatest, instant, length

TODAY = "today"


@dataclass(frozen=True)
class Placed:
    """A table whose rows each satisfy the operators from `begins` up to but not including `ends`.

    Rows that fail a `bound` never do. An empty list means always.
    """

    table: CTE
    bounds: tuple[ColumnElement[bool], ...] = ()
    begins: tuple[Micros, ...] = ()
    ends: tuple[Micros, ...] = ()


def place(table: CTE, text: str, operators: Operators, zone: ZoneInfo) -> Placed:
    """Reads the column `text` of `table` and places it in time.

    Of anniversaries, the first that is not over at `at` and at `begins`, columns of `table`: what
    comes after it is found by looking again when it is over.
    """
    if operators.anniversary_in_next is not None and not operators.asks_a_year:
        table = add_columns(table, yearly=_with_some_year(table.c[text]))
        text = "yearly"
    dated = add_written_date(table, text, zone)
    if operators.anniversary_in_next is not None:
        dated = _with_anniversary(dated, zone)
    own = dated.c
    placed = Placed(dated, bounds=(own.written_at.is_not(None),))
    if operators.before is not None:
        placed = _before(placed, operators.before, zone)
    if operators.after is not None:
        placed = _after(placed, operators.after, zone)
    if operators.in_last is not None:
        over_at = own.written_at + length(operators.in_last)
        placed = _from_to(placed, own.written_at, over_at)
    if operators.in_next is not None:
        placed = _from_to(placed, own.written_at - length(operators.in_next), own.written_at)
    if operators.anniversary_in_next is not None:
        begins = own.anniversary_at - length(operators.anniversary_in_next)
        placed = _from_to(placed, begins, own.anniversary_over_at)
    return placed


def _from_to(placed: Placed, begins: Micros, ends: Micros) -> Placed:
    return replace(placed, begins=(*placed.begins, begins), ends=(*placed.ends, ends))


def _before(placed: Placed, bound: date | datetime | str, zone: ZoneInfo) -> Placed:
    own = placed.table.c
    if isinstance(bound, str):  # today: true from the midnight that ends its day
        return replace(
            placed, begins=(*placed.begins, day_start(own.written_day + number(1), zone))
        )
    is_before = own.written_at < instant(first_instant(bound, zone))
    return replace(placed, bounds=(*placed.bounds, is_before))


def _after(placed: Placed, bound: date | datetime | str, zone: ZoneInfo) -> Placed:
    own = placed.table.c
    if isinstance(bound, str):  # today: true until its day begins
        return replace(placed, ends=(*placed.ends, day_start(own.written_day, zone)))
    is_after = own.written_at > instant(last_instant(bound, zone))
    return replace(placed, bounds=(*placed.bounds, is_after))


def _with_some_year(text: ColumnElement[str]) -> ColumnElement[str]:
    """A day without a year, `--03-14`, in a leap year that is over; anything else as it is."""
    is_yearless = and_(func.length(text) == len("--03-14"), func.substr(text, 1, 2) == "--")
    return case((is_yearless, literal("2000", Text).concat(func.substr(text, 2))), else_=text)


def _with_anniversary(table: CTE, zone: ZoneInfo) -> CTE:
    """The day itself is none."""
    seen = add_columns(table, seen_at=greatest(table.c.at, table.c.begins))
    today = add_local_day(seen, "seen_at", zone, name="today")
    dated = add_civil_date(today, "today", prefix="now")
    dated = add_civil_date(dated, "written_day", prefix="then")
    own = dated.c
    this_year = _anniversary(own.now_year, own.then_month, own.then_of_month)
    year = case((this_year >= own.today, own.now_year), else_=own.now_year + 1)
    nearest = add_columns(dated, nearest_year=greatest(year, own.then_year + 1))
    own = nearest.c
    day = _anniversary(own.nearest_year, own.then_month, own.then_of_month)
    found = add_columns(nearest, anniversary_day=day)
    return add_columns(
        found,
        anniversary_at=day_start(found.c.anniversary_day, zone),
        anniversary_over_at=day_start(found.c.anniversary_day + number(1), zone),
    )


def _anniversary(year: Micros, month: Micros, of_month: Micros) -> Micros:
    """29 February is kept on the 28th in years without one."""
    is_missing = and_(month == 2, of_month > days_in_february(year))
    return civil_day(year, month, case((is_missing, 28), else_=of_month))
