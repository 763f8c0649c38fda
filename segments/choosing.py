"""A set of ids as one parameter, so that a statement's text is the same for any number of them."""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Dialect,
    TableValuedAlias,
    Text,
    TypeDecorator,
    column,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import TypeEngine


class IdList(TypeDecorator[Collection[int]]):
    """Ids: an array in PostgreSQL, JSON elsewhere."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        chosen: TypeEngine[Any] = ARRAY(BIGINT) if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(chosen)

    def process_bind_param(self, value: Collection[int] | None, dialect: Dialect) -> Any:
        ids = list(value or ())
        return ids if dialect.name == "postgresql" else json.dumps(ids)


class is_one_of(FunctionElement[bool]):  # noqa: N801  # reads as SQL
    """Whether a column is among the ids of a parameter."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], ids: ColumnElement[Any]) -> None:
        super().__init__(column, ids)


@compiles(is_one_of)
def _is_in_json(element: is_one_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = (compiler.process(one, **kw) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"


@compiles(is_one_of, "postgresql")
def _is_in_array(element: is_one_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = (compiler.process(one, **kw) for one in element.clauses)
    return f"{column} = ANY({ids})"


class each_of(FunctionElement[int]):  # noqa: N801  # reads as SQL
    """The ids of a parameter as rows."""

    type = BigInteger()
    inherit_cache = True

    def __init__(self, ids: ColumnElement[Any]) -> None:
        super().__init__(ids)


@compiles(each_of)
def _in_json(element: each_of, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


@compiles(each_of, "postgresql")
def _in_array(element: each_of, compiler: SQLCompiler, **kw: Any) -> str:
    return f"unnest({compiler.process(element.clauses, **kw)})"


def listed(ids: ColumnElement[Any]) -> TableValuedAlias:
    """A table with the one column `value`, from which rows of another are looked up.

    SQLite would rather read all customers than look up those that a subquery names. PostgreSQL
    calls the column as the table is called.
    """
    return each_of(ids).table_valued(column("value", BigInteger), name="value")
