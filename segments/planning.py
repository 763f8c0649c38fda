"""Words to the query planner, which knows nothing yet of tables that were just filled."""

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement


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
