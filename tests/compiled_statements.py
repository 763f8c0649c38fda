"""Compile each statement once a test process rather than once a test.

SQLAlchemy keeps what it compiled by engine, and nearly every test opens a store with engines of its
own: a third of the processor time of the suite went into compiling the same statements anew.
Engines of one kind of database share their compiled statements here. The key of such a statement
holds the dialect (SQLAlchemy 2.0, `ClauseElement._compile_w_cache`), so dialects that compile alike
are made equal.
"""

from collections.abc import Hashable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine.default import DefaultDialect

STATEMENTS = 5_000  # of all tests; the engine's own default is 500


def share_compiled_statements() -> None:
    """Have all engines that are made from now on share what they compile."""
    shared: dict[Any, Any] = {}
    original = Engine.__init__

    # named as there: `create_engine` looks at them to see what it may hand over
    def make(
        engine: Engine,
        pool: Any,
        dialect: Any,
        url: Any,
        echo: Any = None,
        hide_parameters: bool = False,
        **options: Any,
    ) -> None:
        original(engine, pool, dialect, url, echo=echo, hide_parameters=hide_parameters, **options)
        cache: Any = engine._compiled_cache
        if cache is not None:
            cache.capacity = STATEMENTS
            engine._compiled_cache = shared.setdefault(type(engine.dialect), cache)

    for place, name, replacement in (
        (Engine, "__init__", make),
        (DefaultDialect, "__hash__", lambda dialect: hash(type(dialect))),
        (DefaultDialect, "__eq__", _compile_alike),
    ):
        setattr(place, name, replacement)


def _compile_alike(first: DefaultDialect, second: object) -> bool:
    return type(first) is type(second) and _traits(first) == _traits(second)


def _traits(dialect: Any) -> Hashable:
    """Return what the server's version and the driver change in what a dialect compiles."""
    return (
        dialect.server_version_info,
        dialect.paramstyle,
        dialect.insert_returning,
        dialect.insert_executemany_returning,
        dialect.use_insertmanyvalues,
    )
