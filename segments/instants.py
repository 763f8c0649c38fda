"""Instants in SQL: whole microseconds, compared and added as integers; NULL is never."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    case,
    func,
    literal,
    literal_column,
    null,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from store.tables import MICROSECOND, Instant, microseconds

Micros = ColumnElement[int]
# beyond every instant that can be written, and safe to add a window to
LATEST = 2**62
NEVER: Micros = literal_column(str(LATEST), BigInteger)
LONG_AGO: Micros = literal_column(str(-(2**62)), BigInteger)
NULL_INSTANT: Micros = null().cast(BigInteger)


class greatest(FunctionElement[int]):  # noqa: N801  # a SQL function
    """The largest of several values, none of them NULL."""

    type = BigInteger()
    inherit_cache = True


class least(FunctionElement[int]):  # noqa: N801  # a SQL function
    """The smallest of several values, none of them NULL."""

    type = BigInteger()
    inherit_cache = True


@compiles(greatest)
def _greatest(element: greatest, compiler: SQLCompiler, **kw: Any) -> str:
    return f"GREATEST({compiler.process(element.clauses, **kw)})"


@compiles(greatest, "sqlite")
def _greatest_in_sqlite(element: greatest, compiler: SQLCompiler, **kw: Any) -> str:
    return _scalar("MAX", element, compiler, **kw)


@compiles(least)
def _least(element: least, compiler: SQLCompiler, **kw: Any) -> str:
    return f"LEAST({compiler.process(element.clauses, **kw)})"


@compiles(least, "sqlite")
def _least_in_sqlite(element: least, compiler: SQLCompiler, **kw: Any) -> str:
    return _scalar("MIN", element, compiler, **kw)


def _scalar(name: str, element: FunctionElement[int], compiler: SQLCompiler, **kw: Any) -> str:
    """With one argument SQLite takes these for aggregates."""
    values = compiler.process(element.clauses, **kw)
    return f"{name}({values})" if len(element.clauses) > 1 else f"({values})"


def micros(column: ColumnElement[Any]) -> Micros:
    """A stored instant as the integer it is."""
    return type_coerce(column, BigInteger)


def instant(value: datetime) -> Micros:
    """A bound instant."""
    return literal(microseconds(value), BigInteger)


def length(duration: timedelta) -> Micros:
    """A bound length of time."""
    return literal(duration // MICROSECOND, BigInteger)


def soonest(*instants: Micros) -> Micros:
    """The earliest of several instants of which any may be NULL; NULL if all are."""
    if len(instants) < 2:
        return instants[0] if instants else NULL_INSTANT
    return func.nullif(least(*(func.coalesce(each, NEVER) for each in instants)), NEVER)


def latest_unless_never(instants: Sequence[Micros]) -> Micros:
    """The latest of several, where one NULL makes it NULL: never."""
    known = [func.coalesce(each, NEVER) for each in instants]
    return func.nullif(greatest(*known), NEVER)


def still_ahead(moment: Micros, at: Micros) -> Micros:
    """`moment` if it lies after `at`, else NULL."""
    return case((moment > at, moment), else_=NULL_INSTANT)


def as_instant(column: Micros) -> ColumnElement[datetime]:
    """Back to what Python reads as an aware datetime."""
    return type_coerce(column, Instant)
