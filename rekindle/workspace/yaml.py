"""Reads YAML 1.2 as plain data, and remembers where every piece of it stands.

PyYAML speaks YAML 1.1, in which `on`, `NO` and `12:30` are not what they look like; so its ideas of
what a plain word means are replaced by those of the YAML 1.2 core schema.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rekindle.workspace.problems import Place, Problem
from rekindle.workspace.yaml_errors import explain_yaml_error

try:
    from yaml import CSafeLoader as BaseLoader
except ImportError:  # PyYAML built without libyaml: slower, otherwise the same
    from yaml import SafeLoader as BaseLoader  # type: ignore[assignment]

Path = tuple[str | int, ...]
MOST_DEPTH = 60  # libyaml's composer recurses without asking: deeper nesting would end the process
MOST_REPEATED = 20_000  # values that aliases may add: a few lines can stand for billions
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # by escapes; no database takes them in a text
TAG = "tag:yaml.org,2002:"


class Loader(BaseLoader):
    """PyYAML's parser and composer with the plain words of YAML 1.2's core schema (§10.3)."""


Loader.yaml_implicit_resolvers = {}


def _teach(kind: str, pattern: str, first: str) -> None:
    Loader.add_implicit_resolver(TAG + kind, re.compile(rf"(?:{pattern})\Z"), list(first))


_teach("null", r"~|null|Null|NULL", "~nN")
Loader.add_implicit_resolver(TAG + "null", re.compile(r"\Z"), [""])
_teach("bool", r"true|True|TRUE|false|False|FALSE", "tTfF")
_teach("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789")
_teach("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789")


@dataclass(frozen=True)
class Position:
    """Where a value stands, and the key it stands under (None inside a list)."""

    key: Node | None
    value: Node


@dataclass
class Document:
    """One file's data, its text, and the place of every key and value in it."""

    file: str
    text: str = ""
    data: Any = None
    positions: dict[Path, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = self.text.split("\n")

    def place(self, path: Path = (), *, of_key: bool = False) -> Place:
        """Where the value at `path`, or its key, stands; if it is not there, what is above it."""
        while path and path not in self.positions:
            path = path[:-1]
        position = self.positions.get(path)
        if position is None:
            return self.place_at(0, 0)
        return self.place_of(position.key if of_key and position.key else position.value)

    def place_of(self, node: Node) -> Place:
        """The stretch of `node` on the line where it begins."""
        start, end = node.start_mark, node.end_mark
        source = self._line(start.line)
        last = end.column if end.line == start.line else len(source.rstrip())
        return self.place_at(start.line, start.column, last - start.column)

    def place_at(self, line: int, column: int, width: int = 1) -> Place:
        """A place by line and column counted from 0; behind the end of the file, its last line."""
        last = max((n for n, text in enumerate(self.lines) if text.strip()), default=0)
        if line > last:
            line, column, width = last, len(self._line(last).rstrip()), 1
        return Place(self.file, line + 1, column + 1, max(1, width), self._line(line))

    def _line(self, number: int) -> str:
        return self.lines[number].rstrip("\r") if number < len(self.lines) else ""


def parse_yaml(text: str, file: str) -> Document:
    """Read one document; whatever is wrong with it stands in its `problems`."""
    document = Document(file, text.removeprefix("\ufeff"))
    if strange := UNPRINTABLE.search(document.text):
        document.problems.append(_unprintable(document, strange.start()))
        return document
    root = _compose(document)
    if root is not None:
        document.data = _Walk(document).build(root, (), None)
    return document


def decode(raw: bytes, file: str) -> tuple[str, tuple[Problem, ...]]:
    """The text of a file, or the place of its first byte that is not UTF-8."""
    try:
        return raw.decode("utf-8"), ()
    except UnicodeDecodeError as error:
        begin = raw.rfind(b"\n", 0, error.start) + 1
        before = raw[begin : error.start].decode("utf-8")
        end = raw.find(b"\n", begin)
        source = raw[begin : end if end >= 0 else len(raw)].decode("utf-8", "replace")
        place = Place(file, raw.count(b"\n", 0, error.start) + 1, len(before) + 1, 1, source)
        said = f"this byte (0x{raw[error.start]:02x}) is not UTF-8 text."
        return "", (Problem(place, said, "Save the file as UTF-8."),)


def _compose(document: Document) -> Node | None:
    try:
        if deep := _find_too_deep(document.text):
            place = document.place_at(*deep)
            said = f"this is nested more than {MOST_DEPTH} levels deep."
            document.problems.append(Problem(place, said))
            return None
        loader = Loader(document.text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        document.problems.append(_syntax_problem(document, error))
        return None


def _find_too_deep(text: str) -> tuple[int, int] | None:
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH and event.start_mark:
            return event.start_mark.line, event.start_mark.column
    return None


def _syntax_problem(document: Document, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    began = error.context_mark.line + 1 if error.context_mark else None
    place = document.place_at(line, column)
    return Problem(place, *explain_yaml_error(error.problem or "", place.source, began))


def _unprintable(document: Document, index: int) -> Problem:
    line = document.text.count("\n", 0, index)
    column = index - (document.text.rfind("\n", 0, index) + 1)
    said = f"an invisible control character (U+{ord(document.text[index]):04X}) stands here."
    return Problem(document.place_at(line, column), said, "Remove it.")


class _Walk:
    """One walk over the nodes: builds the data, notes positions, reports what we do not allow."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.seen: set[int] = set()
        self.open: set[int] = set()  # the nodes we are inside of
        self.repeated = 0

    def build(self, node: Node, path: Path, key: Node | None) -> Any:
        self.document.positions[path] = Position(key, node)
        if self._is_too_much(node):
            return None
        self.open.add(id(node))
        try:
            match node:
                case MappingNode():
                    return self._mapping(node, path)
                case SequenceNode():
                    return [self.build(item, (*path, n), None) for n, item in enumerate(node.value)]
                case _:
                    return self._scalar(node)
        finally:
            self.open.discard(id(node))

    def _is_too_much(self, node: Node) -> bool:
        if id(node) in self.open:
            self._complain(node, "this alias contains itself.")
            return True
        if id(node) in self.seen:
            self.repeated += 1
        self.seen.add(id(node))
        if self.repeated == MOST_REPEATED:
            self._complain(
                node, f"the aliases of this file stand for more than {MOST_REPEATED:,} values."
            )
        return self.repeated >= MOST_REPEATED

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        built: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._complain(key_node, "a key must be one word, not a list or a mapping.")
                continue
            key = str(key_node.value)
            if key in first:
                self._complain(
                    key_node, f"{key!r} is written twice; the first one is on line {first[key]}."
                )
                continue
            first[key] = key_node.start_mark.line + 1
            built[key] = self.build(value_node, (*path, key), key_node)
        return built

    def _scalar(self, node: Node) -> Any:
        try:
            return parse_scalar(node.tag, node.value)
        except ValueError as error:
            self._complain(node, str(error))
            return None

    def _complain(self, node: Node, message: str) -> None:
        self.document.problems.append(Problem(self.document.place_of(node), message))


def parse_scalar(tag: str, written: str) -> Any:
    """The value of a plain or quoted word. Raises ValueError, in words for the author."""
    match tag.removeprefix(TAG):
        case "str":
            if strange := UNSTORABLE.search(written):
                raise ValueError(f"no text can be stored that holds U+{ord(strange[0]):04X}.")
            return written
        case "null":
            return None
        case "bool":
            return written.lower() == "true"
        case "int":
            return _parse_integer(written)
        case "float":
            number = float(written)
            if not isfinite(number):
                raise ValueError(f"{written} is too large a number.")
            return number
        case other:
            raise ValueError(f"tags such as {other!r} are not used in these files.")


BASES: Mapping[str, int] = {"0o": 8, "0x": 16}


def _parse_integer(written: str) -> int:
    if len(written) > 40:
        raise ValueError("this number has too many digits.")
    return int(written, BASES.get(written[:2], 10))
