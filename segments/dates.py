"""Dates in SQL: what a written date or date-time means, and the days of a zone.

The arithmetic of the Gregorian calendar is done on plain integers, because no two databases agree
on how to read a date, and most raise an error for one that cannot be read. A reading is built up in
stages, each a materialized table with a few more columns: as one expression it would be so deep
that no parser takes it.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from segments.days import day_begins
from segments.instants import NULL_INSTANT, Micros
from store.tables import EPOCH, microseconds

SECOND = 1_000_000
DAY = 86_400 * SECOND
EPOCH_DAY = EPOCH.date()
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2100, 1, 1)
# added before an integer division and taken away after it, so that it rounds down before 1970 too
ERAS = 1_000_000
BRANCHES = 8


def add_columns(table: FromClause, **columns: ColumnElement[Any]) -> CTE:
    """`table` with these columns beside its own, computed once."""
    made = [column.label(name) for name, column in columns.items()]
    return select(table, *made).cte().prefix_with("MATERIALIZED")


def add_written_date(table: CTE, text: str, zone: ZoneInfo) -> CTE:
    """`table` with what its column `text` says.

    `written_at` is the instant in microseconds; of a date, the first of its day. `written_day` is
    the day of the zone, counted from 1970. Both are NULL for a text that is no date. A date-time
    without offset is UTC.
    """
    split = _split(table, table.c[text])
    timed = _with_time(_with_offset(split))
    is_day = func.length(timed.c[text]) == 10
    moments = add_columns(
        timed,
        instant=case((is_day, NULL_INSTANT), else_=timed.c.day * DAY + timed.c.time_of_day),
        plain_day=case((is_day, timed.c.day), else_=NULL_INSTANT),
    )
    placed = add_local_day(moments, "instant", zone, name="instant_day")
    return add_columns(
        placed,
        written_at=func.coalesce(placed.c.instant, day_start(placed.c.plain_day, zone)),
        written_day=func.coalesce(placed.c.plain_day, placed.c.instant_day),
    )


# --- days of a zone ------------------------------------------------------------------------------


class day_start(FunctionElement[int]):  # noqa: N801  # a SQL function
    """The first instant of a local day, given as days since 1970; NULL for no day.

    A tree of comparisons, so that two centuries of clock changes stay cheap.
    """

    type = BigInteger()
    inherit_cache = True

    def __init__(self, day: Micros, zone: ZoneInfo) -> None:
        self.zone = zone
        super().__init__(day, literal_column(f"'{zone.key}'"))  # the zone tells statements apart


@compiles(day_start)
def _day_start(element: day_start, compiler: SQLCompiler, **kw: Any) -> str:
    number_of_day, _ = element.clauses
    day = f"({compiler.process(number_of_day, **kw)})"
    return f"({day} * {DAY} + {_choice(day, *_shifts(element.zone))})"


def _choice(day: str, days: Sequence[int], shifts: Sequence[int]) -> str:
    """Of what begins on each of these days, that which a day falls in.

    Wide, for SQLite's parser takes a hundred levels in all, and each of these costs it six.
    """
    if len(shifts) == 1:
        return str(shifts[0])
    size = ceil(len(days) / BRANCHES)
    *starts, last = range(0, len(days), size)
    branches = " ".join(
        f"WHEN {day} < {days[at + size]}"
        f" THEN {_choice(day, days[at : at + size], shifts[at : at + size])}"
        for at in starts
    )
    return f"CASE {branches} ELSE {_choice(day, days[last:], shifts[last:])} END"


def add_local_day(table: CTE, instant: str, zone: ZoneInfo, *, name: str) -> CTE:
    """`table` with the local day of an instant: at most one away from the day in UTC."""
    moment = table.c[instant]
    guessed = add_columns(table, **{f"{name}_in_utc": _floor_division(moment, DAY)})
    guess = guessed.c[f"{name}_in_utc"]
    has_begun = [guessed.c[instant] >= day_start(guess + number(later), zone) for later in (0, 1)]
    passed = sum((case((begun, 1), else_=0) for begun in has_begun), number(-1))
    return add_columns(guessed, **{name: guess + passed})


@lru_cache(maxsize=32)
def _shifts(zone: ZoneInfo) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """From which day on local days begin how many microseconds after those of UTC."""
    first, last = (FIRST_DAY - EPOCH_DAY).days, (LAST_DAY - EPOCH_DAY).days
    changes = {first: _shift(first, zone)}
    for week in range(first, last, 7):
        if _shift(week, zone) != _shift(week + 7, zone):
            for day in range(week, week + 7):
                if (shift := _shift(day + 1, zone)) != _shift(day, zone):
                    changes[day + 1] = shift
    return tuple(changes), tuple(changes.values())


def _shift(day: int, zone: ZoneInfo) -> int:
    return microseconds(day_begins(EPOCH_DAY + timedelta(days=day), zone)) - day * DAY


def _floor_division(value: Micros, by: int) -> Micros:
    return (value + number(ERAS * by)) // number(by) - number(ERAS)


def number(value: int) -> Micros:
    """A constant that is part of the statement itself."""
    return literal_column(str(value), BigInteger)


# --- the Gregorian calendar ----------------------------------------------------------------------


def civil_day(year: Micros, month: Micros, day: Micros) -> Micros:
    """Days since 1970-01-01 of a date after the year 0.

    Counts in years that begin in March, so that the leap day comes last.
    """
    shifted = case((month <= 2, year - 1), else_=year)
    month_from_march = case((month <= 2, month + 9), else_=month - 3)
    leap_days = shifted // number(4) - shifted // number(100) + shifted // number(400)
    day_of_year = (month_from_march * 153 + 2) // number(5) + day - 1
    return shifted * 365 + leap_days + day_of_year - 719_468


def add_civil_date(table: CTE, day: str, *, prefix: str) -> CTE:
    """`table` with year, month and day of month of a day since 1970."""
    since = table.c[day]
    # a year is never more than one off the average
    guessed = add_columns(
        table, **{f"{prefix}_guess": _floor_division(since * 400, 146_097) + 1970}
    )
    guess, one = guessed.c[f"{prefix}_guess"], number(1)
    exact = case(
        (guessed.c[day] < civil_day(guess, one, one), guess - 1),
        (guessed.c[day] >= civil_day(guess + 1, one, one), guess + 1),
        else_=guess,
    )
    dated = add_columns(guessed, **{f"{prefix}_year": exact})
    year = dated.c[f"{prefix}_year"]
    of_year = dated.c[day] - civil_day(year, one, one)
    before_march = 31 + days_in_february(year)
    # as if every February had thirty days, the months follow a straight line
    stretched = of_year + case((of_year < before_march, 0), else_=61 - before_march)
    months = add_columns(
        dated,
        **{
            f"{prefix}_stretched": stretched,
            f"{prefix}_month": (stretched * 12 + 373) // number(367),
        },
    )
    month = months.c[f"{prefix}_month"]
    of_month = months.c[f"{prefix}_stretched"] - (month * 367 - 362) // number(12) + 1
    return add_columns(months, **{f"{prefix}_of_month": of_month})


def days_in_february(year: Micros) -> Micros:
    is_leap = or_(and_(year % 4 == 0, year % 100 != 0), year % 400 == 0)
    return case((is_leap, number(29)), else_=number(28))


# --- reading a text ------------------------------------------------------------------------------


class _is_like(FunctionElement[bool]):  # noqa: N801  # a SQL function
    """A text and a pattern in which `9` is any digit and all else means itself."""

    type = Boolean()
    inherit_cache = True
    name = "is_like"

    def __init__(self, text: ColumnElement[str], pattern: str) -> None:
        glob = pattern.replace("9", "[0-9]")
        super().__init__(text, literal(glob, Text), literal(f"^{_escaped(pattern)}$", Text))


def _escaped(pattern: str) -> str:
    return "".join("[0-9]" if sign == "9" else f"[{sign}]" for sign in pattern)


@compiles(_is_like, "sqlite")
def _like_in_sqlite(element: _is_like, compiler: SQLCompiler, **kw: Any) -> str:
    text, glob, _ = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({text} GLOB {glob})"


@compiles(_is_like, "postgresql")
def _like_in_postgresql(element: _is_like, compiler: SQLCompiler, **kw: Any) -> str:
    text, _, regex = list(element.clauses)
    return f"({compiler.process(text, **kw)} ~ {compiler.process(regex, **kw)})"


def _digits(text: ColumnElement[str], start: int, count: int) -> Micros:
    return cast(func.substr(text, start, count), BigInteger)


def _split(table: CTE, text: ColumnElement[str]) -> CTE:
    """The ten signs of the date as three numbers, and what follows them."""
    is_date = _is_like(func.substr(text, 1, 10), "9999-99-99")
    return add_columns(
        table,
        year=case((is_date, _digits(text, 1, 4))),
        month=case((is_date, _digits(text, 6, 2))),
        of_month=case((is_date, _digits(text, 9, 2))),
        tail=func.substr(text, 11),  # T12:30, T12:30:15.25+02:00, … or nothing
    )


def _with_offset(split: CTE) -> CTE:
    """The day since 1970, NULL for one that no calendar has, and the time cut at its offset."""
    own = split.c
    longest = case(
        (own.month == 2, days_in_february(own.year)), (own.month.in_([4, 6, 9, 11]), 30), else_=31
    )
    exists = and_(own.year >= 1, own.month.between(1, 12), own.of_month.between(1, longest))
    has_seconds = _is_like(func.substr(own.tail, 7, 3), ":99")
    rest = case((has_seconds, func.substr(own.tail, 10)), else_=func.substr(own.tail, 7))
    cut = add_columns(
        split,
        day=case((exists, civil_day(own.year, own.month, own.of_month)), else_=NULL_INSTANT),
        has_seconds=case((has_seconds, 1), else_=0),
        rest=rest,
    )
    starts = func.substr(cut.c.rest, 1, 2)
    has_fraction = and_(cut.c.has_seconds == 1, or_(_is_like(starts, ".9"), _is_like(starts, ",9")))
    after_digits = func.ltrim(func.substr(cut.c.rest, 2), "0123456789")
    return add_columns(
        cut,
        has_fraction=case((has_fraction, 1), else_=0),
        offset_text=case((has_fraction, after_digits), else_=cut.c.rest),
    )


def _with_time(cut: CTE) -> CTE:
    """Microseconds since the day's midnight in UTC; NULL for a time that no clock shows."""
    own = cut.c
    is_time = and_(
        func.substr(own.tail, 1, 1).in_(["T", "t", " "]),
        _is_like(func.substr(own.tail, 2, 5), "99:99"),
        _is_offset(own.offset_text),
    )
    fraction = func.substr(own.rest, 2, func.length(own.rest) - func.length(own.offset_text) - 1)
    millionths = cast(func.substr(fraction.concat("000000"), 1, 6), BigInteger)
    read = add_columns(
        cut,
        hour=case((is_time, _digits(own.tail, 2, 2))),
        minute=case((is_time, _digits(own.tail, 5, 2))),
        second=case((own.has_seconds == 0, 0), (is_time, _digits(own.tail, 8, 2))),
        fraction=case((own.has_fraction == 0, 0), (is_time, millionths)),
        offset_seconds=case((is_time, _offset_seconds(own.offset_text))),
    )
    own = read.c
    seconds = own.hour * 3600 + own.minute * 60 + own.second - own.offset_seconds
    exists = and_(own.hour <= 23, own.minute <= 59, own.second <= 59)
    time_of_day = case((exists, seconds * SECOND + own.fraction), else_=NULL_INSTANT)
    return add_columns(read, time_of_day=time_of_day)


def _is_offset(offset: ColumnElement[str]) -> ColumnElement[bool]:
    """Nothing, `Z`, `+02:00`, `+0200` or `+02`."""
    signed = func.substr(offset, 1, 1).in_(["+", "-"])
    digits = or_(*(_is_like(func.substr(offset, 2), form) for form in ("99:99", "9999", "99")))
    return or_(offset.in_(["", "Z", "z"]), and_(signed, digits))


def _offset_seconds(offset: ColumnElement[str]) -> Micros:
    digits = func.replace(func.substr(offset, 2), ":", "")
    minutes = case((func.length(digits) == 4, _digits(digits, 3, 2) * 60), else_=number(0))
    sign = case((func.substr(offset, 1, 1) == "-", number(-1)), else_=number(1))
    size = _digits(digits, 1, 2) * 3600 + minutes
    return case((func.length(offset) > 1, sign * size), else_=number(0))
