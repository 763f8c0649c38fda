"""Words to the query planner, which knows nothing yet of tables that were just filled."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement


class suited(FunctionElement[bool]):  # noqa: N801  # reads as SQL
    """One condition in two wordings of the same meaning: PostgreSQL's, and that of the others."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, usual: ColumnElement[bool], *, postgresql: ColumnElement[bool]) -> None:
        super().__init__(usual, postgresql)


@compiles(suited)
def _usual(element: suited, compiler: SQLCompiler, **kw: Any) -> str:
    usual, _ = element.clauses
    return str(compiler.process(usual, **kw))


@compiles(suited, "postgresql")
def _in_postgresql(element: suited, compiler: SQLCompiler, **kw: Any) -> str:
    _, worded = element.clauses
    return str(compiler.process(worded, **kw))


class looked_up_by(FunctionElement[int]):  # noqa: N801  # reads as SQL
    """The column itself, from which rows of the other table are looked up, never the reverse.

    SQLite without statistics would read all events of a kind and look for each one's subject; its
    unary plus forbids that: https://www.sqlite.org/optoverview.html, read 2026-11.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(looked_up_by)
def _plain(element: looked_up_by, compiler: SQLCompiler, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


@compiles(looked_up_by, "sqlite")
def _with_unary_plus(element: looked_up_by, compiler: SQLCompiler, **kw: Any) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"
