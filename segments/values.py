"""One value inside a JSON column, read with its type, the same on every database.

Each reading is NULL where the value is missing or of another type, so that no comparison ever meets
a value it was not meant for: numbers are JSON numbers only, true is not 1, "1" is not 1.

Long because each reading stands beside how both databases say it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Float,
    Integer,
    Select,
    TableValuedAlias,
    Text,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy import column as sql_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from segments.paths import PLACE, PropertyPath, parse_path

PlainJson = bool | int | float | str
# PostgreSQL raises where a number does not fit a double; every other engine gives infinity
LARGEST = "1e308"
ID_NAME = re.compile(r"(?:(?:^|[\W_])[iI][dD]|[a-z]I[dD])$")  # id, ticket_id, orderId, "Order ID"


@dataclass(frozen=True)
class JsonValue:
    """The value at `path` inside objects, and at places of lists, of `column`."""

    column: ColumnElement[Any]
    path: tuple[str, ...] = ()

    @classmethod
    def named(cls, column: ColumnElement[Any], path: str) -> "JsonValue":
        """The single value at a path. Raises ValueError for one that means each of a list."""
        return cls(column, parse_path(path).keys)

    @cached_property
    def arguments(self) -> tuple[ColumnElement[Any], ...]:
        return (self.column, _place(self.column, self.path), *map(_key, self.path))

    @property
    def text(self) -> ColumnElement[str]:
        return _JsonText(*self.arguments)

    @property
    def number(self) -> ColumnElement[float]:
        return _JsonNumber(*self.arguments)

    @property
    def boolean(self) -> ColumnElement[bool]:
        return _JsonBoolean(*self.arguments)

    @property
    def is_present(self) -> ColumnElement[bool]:
        """False for what is missing or null; never NULL."""
        return _JsonPresent(*self.arguments)

    @property
    def plain(self) -> ColumnElement[str]:
        """The value as a text, whatever its type; NULL if missing."""
        return _JsonPlain(*self.arguments)

    @property
    def as_id(self) -> ColumnElement[Any]:
        """As `identity`, but a number is the same as the text of its digits: 7 and "7" are one."""
        return _JsonAsId(*self.arguments)

    @property
    def identity(self) -> ColumnElement[Any]:
        """Equal exactly where the values are: 1 and 1.0 are one, 1 and "1" two; NULL if missing."""
        return _JsonIdentity(*self.arguments)

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
        column, place, *keys = self.arguments
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
            return _JsonIdText(*self.arguments)
        match value:
            case bool():
                return self.boolean
            case int() | float():
                return self.number
            case str():
                return self.text


@dataclass(frozen=True)
class JsonElements:
    """A value of each element of a list: a row for each, of lists in lists joined from the outside,
    and what is meant in it.
    """

    rows: tuple[TableValuedAlias, ...]
    value: JsonValue

    @classmethod
    def at(cls, column: ColumnElement[Any], path: PropertyPath) -> "JsonElements":
        """What a path means; what is no list has no elements. Made anew for each time it is read.

        For a list within a list, there is a row for each element of the inner one.
        """
        keys, *inner = path.stretches
        tables: list[TableValuedAlias] = []
        for keys_inside in inner:
            listed = _ElementRows(*JsonValue(column, keys).arguments)
            rows = listed.table_valued(sql_column("value", Text), sql_column("type", Text))
            tables.append(rows)
            column, keys = _Element(rows.c.value, rows.c.type), keys_inside
        return cls(tuple(tables), JsonValue(column, keys))

    def joined_to(self, statement: Select[Any]) -> Select[Any]:
        """The statement with a row for each element; without the rows that have none."""
        for rows in self.rows:
            statement = statement.join(rows, true())
        return statement

    def read(self, of: ColumnElement[Any], *where: ColumnElement[bool]) -> Select[Any]:
        """A figure over the elements, for use inside a statement that has the list's column."""
        first, *inner = self.rows
        statement = select(of).select_from(first)
        for rows in inner:
            statement = statement.join(rows, true())
        return statement.where(*where).correlate_except(*self.rows)

    def any(self, where: ColumnElement[bool]) -> ColumnElement[bool]:
        """Whether there is such an element; never NULL."""
        return self.read(literal_column("1"), where).exists()


def total_at(column: ColumnElement[Any], path: PropertyPath) -> ColumnElement[float]:
    """The number that lies there, or what those of all elements of a list add up to."""
    if not path.means_several:
        return JsonValue(column, path.keys).number
    elements = JsonElements.at(column, path)
    return elements.read(func.sum(elements.value.number)).scalar_subquery()


def _place(column: ColumnElement[Any], path: Sequence[str]) -> ColumnElement[str]:
    """The path as SQLite writes it; a number is a place where it meets a list, else a key."""
    place: ColumnElement[str] = literal("$", Text)
    plain = "$"
    for key in path:
        if PLACE.fullmatch(key):
            is_list = func.json_type(column, place) == "array"
            place = case(
                (is_list, place.concat(literal(f"[{key}]", Text))),
                else_=place.concat(literal(f'."{key}"', Text)),
            )
            plain = ""
        elif plain:
            plain += f'."{key}"'
            place = literal(plain, Text)
        else:
            place = place.concat(literal(f'."{key}"', Text))
    return place


def _key(key: str) -> ColumnElement[Any]:
    """One step for PostgreSQL: a number where a list may have that place."""
    return literal_column(key, Integer) if PLACE.fullmatch(key) else literal(key, Text)


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
    sqlite: str  # of {t}, the type, and {v}, the value
    postgresql: str  # of {n}, the value itself


class _JsonText(_Reading):
    type = Text()
    inherit_cache = True
    sqlite = "CASE {t} WHEN 'text' THEN {v} END"
    postgresql = "CASE jsonb_typeof({n}) WHEN 'string' THEN {n} #>> '{{}}' END"


class _JsonNumber(_Reading):
    type = Float()
    inherit_cache = True
    sqlite = "CASE WHEN {t} IN ('integer', 'real') THEN CAST({v} AS REAL) END"
    postgresql = (
        "CASE jsonb_typeof({n}) WHEN 'number' THEN"
        f" LEAST(GREATEST(({{n}} #>> '{{{{}}}}')::numeric, -{LARGEST}), {LARGEST})::float8 END"
    )


class _JsonBoolean(_Reading):
    type = Boolean()
    inherit_cache = True
    sqlite = "CASE {t} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
    postgresql = "CASE jsonb_typeof({n}) WHEN 'boolean' THEN ({n} #>> '{{}}')::boolean END"


class _JsonPresent(_Reading):
    type = Boolean()
    inherit_cache = True
    sqlite = "(COALESCE({t}, 'null') <> 'null')"
    postgresql = "(COALESCE(jsonb_typeof({n}), 'null') <> 'null')"


class _JsonPlain(_Reading):
    type = Text()
    inherit_cache = True
    sqlite = "CASE {t} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST({v} AS TEXT) END"
    postgresql = "({n} #>> '{{}}')"


class _JsonIdentity(_Reading):
    """A tagged text in SQLite, where JSON has no equality of its own; in PostgreSQL, itself."""

    type = Text()
    inherit_cache = True
    sqlite = (
        "CASE {t}"
        " WHEN 'text' THEN 't' || {v}"
        " WHEN 'integer' THEN 'n' || {v}"
        " WHEN 'real' THEN CASE"
        " WHEN {v} = CAST({v} AS INTEGER)"
        " THEN 'n' || CAST({v} AS INTEGER)"
        " ELSE 'n' || printf('%!.17g', {v}) END"
        " WHEN 'null' THEN NULL"
        " ELSE {t} || {v} END"
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
        "CASE {t} WHEN 'text' THEN {v}"
        " WHEN 'integer' THEN CAST({v} AS TEXT)"
        " WHEN 'real' THEN CASE"
        " WHEN {v} = CAST({v} AS INTEGER)"
        " THEN CAST(CAST({v} AS INTEGER) AS TEXT)"
        " ELSE CAST({v} AS TEXT) END END"
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
    column, place, *keys = element.clauses
    if isinstance(column, _Element) and not keys:
        value, kind = (compiler.process(clause, **kw) for clause in column.clauses)
        return element.sqlite.format(t=kind, v=value)
    c, p = compiler.process(column, **kw), compiler.process(place, **kw)
    return element.sqlite.format(t=f"json_type({c}, {p})", v=f"json_extract({c}, {p})")


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
    column, *keys = parts
    node = compiler.process(column, **kw)
    for key in keys:
        step = compiler.process(key, **kw)
        is_place = isinstance(key.type, Integer)
        node = (
            f"COALESCE({node} -> {step}, {node} -> '{step}')" if is_place else f"{node} -> {step}"
        )
    return f"({node})"


class _ElementRows(FunctionElement[Any]):
    """As a reading; a row for each element of the list: its value, and in SQLite its type."""

    inherit_cache = True


@compiles(_ElementRows, "sqlite")
def _rows_in_sqlite(element: _ElementRows, compiler: SQLCompiler, **kw: Any) -> str:
    column, place, *_ = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"json_each(CASE json_type({column}, {place}) WHEN 'array' THEN {column} END, {place})"


@compiles(_ElementRows, "postgresql")
def _rows_in_postgresql(element: _ElementRows, compiler: SQLCompiler, **kw: Any) -> str:
    column, _, *keys = list(element.clauses)
    node = _node([column, *keys], compiler, **kw)
    is_list = f"jsonb_typeof({node}) WHEN 'array'"
    return f"jsonb_array_elements(CASE {is_list} THEN {node} ELSE '[]'::jsonb END)"


class _Element(FunctionElement[Any]):
    """An element of a list, from its value and its type, so that something inside can be read."""

    type = Text()
    inherit_cache = True


@compiles(_Element, "sqlite")
def _element_in_sqlite(element: _Element, compiler: SQLCompiler, **kw: Any) -> str:
    value, kind = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"CASE WHEN {kind} IN ('object', 'array') THEN {value} END"


@compiles(_Element, "postgresql")
def _element_in_postgresql(element: _Element, compiler: SQLCompiler, **kw: Any) -> str:
    value, _ = element.clauses
    return str(compiler.process(value, **kw))


@compiles(_text_position, "sqlite")
def _position_in_sqlite(element: _text_position, compiler: SQLCompiler, **kw: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kw)})"


@compiles(_text_position, "postgresql")
def _position_in_postgresql(element: _text_position, compiler: SQLCompiler, **kw: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **kw)})"
