"""One value inside a JSON column, read with its type, the same on every database.

Each reading is NULL where the value is missing or of another type, so that no comparison ever meets
a value it was not meant for: numbers are JSON numbers only, true is not 1, "1" is not 1.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Float, Integer, Text, func, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

PlainJson = bool | int | float | str
# PostgreSQL raises where a number does not fit a double; every other engine gives infinity
LARGEST = "1e308"
ID_NAME = re.compile(r"(?:(?:^|[\W_])[iI][dD]|[a-z]I[dD])$")  # id, ticket_id, orderId, "Order ID"


# a quoted key, or one to which a dot belongs that ends it or stands before a blank: `No. of items`
KEY = re.compile(r'"([^"]+)"|((?:[^."]|\.(?=\s|$))+)')


def split_name(written: str) -> tuple[str, ...]:
    """The keys of a name, which walks nested objects by dots.

    `company.name` are two, `"company.name"` and `Bestell-Nr.` one. Raises ValueError.
    """
    keys: list[str] = []
    at = 0
    while key := KEY.match(written, at):
        keys.append(key[1] or key[2])
        at = key.end() + 1
        if key.end() == len(written):
            return tuple(keys)
        if written[key.end()] != ".":
            break
    raise ValueError(f"{written!r} cannot be the name of a property")


@dataclass(frozen=True)
class JsonValue:
    """The value at `path` inside nested objects of `column`; lists are never entered."""

    column: ColumnElement[Any]
    path: tuple[str, ...] = ()

    @classmethod
    def named(cls, column: ColumnElement[Any], dotted: str) -> "JsonValue":
        """The value of a property whose name may walk nested objects by dots."""
        return cls(column, split_name(dotted))

    @cached_property
    def _arguments(self) -> tuple[ColumnElement[Any], ...]:
        place = "$" + "".join(f'."{key}"' for key in self.path)
        return (self.column, literal(place, Text), *(literal(key, Text) for key in self.path))

    @property
    def text(self) -> ColumnElement[str]:
        return _JsonText(*self._arguments)

    @property
    def number(self) -> ColumnElement[float]:
        return _JsonNumber(*self._arguments)

    @property
    def boolean(self) -> ColumnElement[bool]:
        return _JsonBoolean(*self._arguments)

    @property
    def is_present(self) -> ColumnElement[bool]:
        """False for what is missing or null; never NULL."""
        return _JsonPresent(*self._arguments)

    @property
    def plain(self) -> ColumnElement[str]:
        """The value as a text, whatever its type; NULL if missing."""
        return _JsonPlain(*self._arguments)

    @property
    def as_id(self) -> ColumnElement[Any]:
        """As `identity`, but a number is the same as the text of its digits: 7 and "7" are one."""
        return _JsonAsId(*self._arguments)

    @property
    def identity(self) -> ColumnElement[Any]:
        """Equal exactly where the values are: 1 and 1.0 are one, 1 and "1" two; NULL if missing."""
        return _JsonIdentity(*self._arguments)

    def equals(self, value: PlainJson) -> ColumnElement[bool]:
        """False for other types and for what is missing; never NULL."""
        (meant,) = self._meant([value])
        return func.coalesce(self._of_type(meant) == _bound(meant), False)

    def is_among(self, values: Sequence[PlainJson]) -> ColumnElement[bool]:
        """Equal to one of `values`; never NULL."""
        grouped = _by_type(self._meant(values))
        found = [self._of_type(group[0]).in_([_bound(v) for v in group]) for group in grouped]
        return _any_of(found)

    def is_other_than(self, values: Sequence[PlainJson]) -> ColumnElement[bool]:
        """Of the type of one of `values`, and equal to none of them; never NULL."""
        grouped = _by_type(self._meant(values))
        found = [self._of_type(group[0]).not_in([_bound(v) for v in group]) for group in grouped]
        return _any_of(found)

    def contains(self, value: PlainJson) -> ColumnElement[bool]:
        """A list with an equal element or, for a text, a text around it; never NULL."""
        column, place, *keys = self._arguments
        in_list = _JsonListContains(column, place, literal(json.dumps(value), Text), *keys)
        if not isinstance(value, str):
            return in_list
        return in_list | func.coalesce(_text_position(self.text, _bound(value)) > 0, False)

    def _meant(self, values: Sequence[PlainJson]) -> list[PlainJson]:
        """The values that are asked for; those of an id as texts."""
        return [_digits(value) for value in values] if self._is_id else list(values)

    @property
    def _is_id(self) -> bool:
        """Whether the value is an id by its name: whoever sends it writes it as they like."""
        return bool(self.path) and ID_NAME.search(self.path[-1]) is not None

    def _of_type(self, value: PlainJson) -> ColumnElement[Any]:
        if self._is_id and not isinstance(value, bool):
            return _JsonIdText(*self._arguments)
        match value:
            case bool():
                return self.boolean
            case int() | float():
                return self.number
            case str():
                return self.text


def _digits(value: PlainJson) -> PlainJson:
    if isinstance(value, bool | str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(value)


def _bound(value: PlainJson) -> ColumnElement[Any]:
    match value:
        case bool():
            return literal(value, Boolean)
        case int() | float():
            return literal(float(value), Float)
        case str():
            return literal(value, Text)


def _by_type(values: Sequence[PlainJson]) -> list[list[PlainJson]]:
    groups: dict[str, list[PlainJson]] = {}
    for value in values:
        kind = "number" if type(value) in (int, float) else type(value).__name__
        groups.setdefault(kind, []).append(value)
    return list(groups.values())


def _any_of(found: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    return or_(*(func.coalesce(each, False) for each in found))


# --- how each database says it -------------------------------------------------------------------


class _Reading(FunctionElement[Any]):
    """column, path as SQLite writes it, and then the keys of the path one by one for PostgreSQL."""

    inherit_cache = True
    sqlite: str  # of {c}, the column, and {p}, the path
    postgresql: str  # of {n}, the value itself


class _JsonText(_Reading):
    type = Text()
    inherit_cache = True
    sqlite = "CASE json_type({c}, {p}) WHEN 'text' THEN json_extract({c}, {p}) END"
    postgresql = "CASE jsonb_typeof({n}) WHEN 'string' THEN {n} #>> '{{}}' END"


class _JsonNumber(_Reading):
    type = Float()
    inherit_cache = True
    sqlite = (
        "CASE WHEN json_type({c}, {p}) IN ('integer', 'real')"
        " THEN CAST(json_extract({c}, {p}) AS REAL) END"
    )
    postgresql = (
        "CASE jsonb_typeof({n}) WHEN 'number' THEN"
        f" LEAST(GREATEST(({{n}} #>> '{{{{}}}}')::numeric, -{LARGEST}), {LARGEST})::float8 END"
    )


class _JsonBoolean(_Reading):
    type = Boolean()
    inherit_cache = True
    sqlite = "CASE json_type({c}, {p}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
    postgresql = "CASE jsonb_typeof({n}) WHEN 'boolean' THEN ({n} #>> '{{}}')::boolean END"


class _JsonPresent(_Reading):
    type = Boolean()
    inherit_cache = True
    sqlite = "(COALESCE(json_type({c}, {p}), 'null') <> 'null')"
    postgresql = "(COALESCE(jsonb_typeof({n}), 'null') <> 'null')"


class _JsonPlain(_Reading):
    type = Text()
    inherit_cache = True
    sqlite = (
        "CASE json_type({c}, {p}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
        " ELSE CAST(json_extract({c}, {p}) AS TEXT) END"
    )
    postgresql = "({n} #>> '{{}}')"


class _JsonIdentity(_Reading):
    """A tagged text in SQLite, where JSON has no equality of its own; in PostgreSQL, itself."""

    type = Text()
    inherit_cache = True
    sqlite = (
        "CASE json_type({c}, {p})"
        " WHEN 'text' THEN 't' || json_extract({c}, {p})"
        " WHEN 'integer' THEN 'n' || json_extract({c}, {p})"
        " WHEN 'real' THEN CASE"
        " WHEN json_extract({c}, {p}) = CAST(json_extract({c}, {p}) AS INTEGER)"
        " THEN 'n' || CAST(json_extract({c}, {p}) AS INTEGER)"
        " ELSE 'n' || printf('%!.17g', json_extract({c}, {p})) END"
        " WHEN 'null' THEN NULL"
        " ELSE json_type({c}, {p}) || json_extract({c}, {p}) END"
    )
    postgresql = "NULLIF({n}, 'null'::jsonb)"


class _JsonAsId(_Reading):
    """As `_JsonIdentity`, with numbers written as texts are."""

    type = Text()
    inherit_cache = True
    sqlite = _JsonIdentity.sqlite.replace("'n' ||", "'t' ||")
    postgresql = (
        "CASE jsonb_typeof({n}) WHEN 'number'"
        " THEN to_jsonb(trim_scale(({n} #>> '{{}}')::numeric)::text)"
        " ELSE NULLIF({n}, 'null'::jsonb) END"
    )


class _JsonIdText(_Reading):
    """The text of a text or a number; NULL for anything else."""

    type = Text()
    inherit_cache = True
    sqlite = (
        "CASE json_type({c}, {p}) WHEN 'text' THEN json_extract({c}, {p})"
        " WHEN 'integer' THEN CAST(json_extract({c}, {p}) AS TEXT)"
        " WHEN 'real' THEN CASE"
        " WHEN json_extract({c}, {p}) = CAST(json_extract({c}, {p}) AS INTEGER)"
        " THEN CAST(CAST(json_extract({c}, {p}) AS INTEGER) AS TEXT)"
        " ELSE CAST(json_extract({c}, {p}) AS TEXT) END END"
    )
    postgresql = (
        "CASE jsonb_typeof({n}) WHEN 'string' THEN {n} #>> '{{}}'"
        " WHEN 'number' THEN trim_scale(({n} #>> '{{}}')::numeric)::text END"
    )


class _JsonListContains(FunctionElement[bool]):
    """column, path, the wanted element as JSON, keys of the path."""

    type = Boolean()
    inherit_cache = True


class _text_position(FunctionElement[int]):  # noqa: N801  # a SQL function
    """Where the second text begins in the first, from 1; 0 if nowhere."""

    type = Integer()
    inherit_cache = True


@compiles(_Reading, "sqlite")
def _reading_in_sqlite(element: _Reading, compiler: SQLCompiler, **kw: Any) -> str:
    column, place, *_ = (compiler.process(clause, **kw) for clause in element.clauses)
    return element.sqlite.format(c=column, p=place)


@compiles(_Reading, "postgresql")
def _reading_in_postgresql(element: _Reading, compiler: SQLCompiler, **kw: Any) -> str:
    column, _, *keys = list(element.clauses)
    return element.postgresql.format(n=_node([column, *keys], compiler, **kw))


@compiles(_JsonListContains, "sqlite")
def _list_contains_in_sqlite(element: _JsonListContains, compiler: SQLCompiler, **kw: Any) -> str:
    column, place, wanted, *_ = (compiler.process(clause, **kw) for clause in element.clauses)
    numbers = "('integer', 'real')"
    return (
        f"(COALESCE(json_type({column}, {place}), 'null') = 'array' AND EXISTS ("
        f"SELECT 1 FROM json_each({column}, {place}) AS had"
        f" JOIN json_each('[' || {wanted} || ']') AS wanted ON had.value = wanted.value"
        f" AND (had.type = wanted.type OR had.type IN {numbers} AND wanted.type IN {numbers})))"
    )


@compiles(_JsonListContains, "postgresql")
def _list_contains_in_postgresql(
    element: _JsonListContains, compiler: SQLCompiler, **kw: Any
) -> str:
    column, _, wanted, *keys = list(element.clauses)
    node = _node([column, *keys], compiler, **kw)
    needle = compiler.process(wanted, **kw)
    return (
        f"(COALESCE(jsonb_typeof({node}), 'null') = 'array' AND {node} @> CAST({needle} AS jsonb))"
    )


def _node(parts: Sequence[ColumnElement[Any]], compiler: SQLCompiler, **kw: Any) -> str:
    return "(" + " -> ".join(compiler.process(part, **kw) for part in parts) + ")"


@compiles(_text_position, "sqlite")
def _position_in_sqlite(element: _text_position, compiler: SQLCompiler, **kw: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kw)})"


@compiles(_text_position, "postgresql")
def _position_in_postgresql(element: _text_position, compiler: SQLCompiler, **kw: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **kw)})"
