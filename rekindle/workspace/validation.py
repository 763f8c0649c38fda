"""From a document to a model, or to problems at their places, in the words of its author."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.nodes import MappingNode

from rekindle.workspace.choices import Location, choices_at, keys_of, kinds_of
from rekindle.workspace.problems import Place, Problem, did_you_mean
from rekindle.workspace.yaml import Document, Path
from segments.definition import Misplaced

Model = TypeVar("Model", bound=BaseModel)
NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
PLAIN = {
    "string_type": "this must be text, not {input}.",
    "int_type": "this must be a whole number, not {input}.",
    "int_parsing": "this must be a whole number, not {input}.",
    "int_from_float": "this must be a whole number, not {input}.",
    "float_type": "this must be a number, not {input}.",
    "float_parsing": "this must be a number, not {input}.",
    "bool_type": "this must be true or false, not {input}.",
    "bool_parsing": "this must be true or false, not {input}.",
    "tuple_type": "this must be a list, not {input}.",
    "list_type": "this must be a list, not {input}.",
    "dict_type": "this must be keys and values, not {input}.",
    "mapping_type": "this must be keys and values, not {input}.",
    "model_type": "this must be keys and values, not {input}.",
    "model_attributes_type": "this must be keys and values, not {input}.",
    "greater_than_equal": "this must be at least {ge}, not {input}.",
    "greater_than": "this must be more than {gt}, not {input}.",
    "less_than_equal": "this must be at most {le}, not {input}.",
    "less_than": "this must be less than {lt}, not {input}.",
    "string_too_short": "this must not be empty.",
    "too_short": "this needs at least {min_length} of them, and has {actual_length}.",
    "too_long": "this takes at most {max_length} of them, and has {actual_length}.",
    "literal_error": "{input} is not one of {expected}.",
    "enum": "{input} is not one of {expected}.",
    "string_pattern_mismatch": "{input} is not in the right form.",
}


def validate(
    model: type[Model], data: Any, document: Document
) -> tuple[Model | None, tuple[Problem, ...]]:
    """The object that `data` describes, or everything that is wrong with it."""
    try:
        return model.model_validate(data), ()
    except ValidationError as error:
        return None, tuple(problems_from(model, error, document))


def problems_from(
    model: type[BaseModel], error: ValidationError, document: Document
) -> Iterable[Problem]:
    """One problem for each mistake: a mistyped key is not also reported as a missing one."""
    reader = _Reader(model, document)
    details = _without_echoes(error.errors())
    extra = {reader.path(d["loc"]) for d in details if d["type"] == "extra_forbidden"}
    meant = {reader.nearest(path, d["loc"]) for d in details for path in [reader.path(d["loc"])]
             if path in extra}  # fmt: skip
    for detail in details:
        above = reader.mapping_path(detail["loc"][:-1])
        if detail["type"] != "missing" or (*above, str(detail["loc"][-1])) not in meant:
            yield reader.problem(detail)


def _without_echoes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists that count as too short only because of what is wrong inside them."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(place != detail["loc"] and place[: len(detail["loc"])] == detail["loc"]
                   for place in places)
    ]  # fmt: skip


class _Reader:
    """Turns one model's errors about one document into problems."""

    def __init__(self, model: type[BaseModel], document: Document) -> None:
        self.model = model
        self.document = document

    def path(self, location: Location) -> Path:
        """The place in the file: `location` without the names of union members and validators.

        Such a name may equal a key (`send` in a `send` step): the longest reading is taken.
        """
        return _longest(location, (), self.document.positions)

    def mapping_path(self, location: Location) -> Path:
        """The mapping at `location`; in a `send` step its name is not the key `send`."""
        path = self.path(location)
        return path if isinstance(self.document.positions[path].value, MappingNode) else path[:-1]

    def nearest(self, path: Path, location: Location) -> Path:
        """The path of the key that the unknown key at `path` was probably meant to be."""
        hint = did_you_mean(str(path[-1]), self._known_keys(path[:-1], location[:-1]))
        return (*path[:-1], hint.split("'")[1]) if hint else path

    def problem(self, detail: ErrorDetails) -> Problem:
        location, kind = detail["loc"], detail["type"]
        path = self.path(location)
        if kind == "extra_forbidden":
            known = self._known_keys(path[:-1], location[:-1])
            place, key = self.document.place(path, of_key=True), str(path[-1])
            if key in known:  # of others that may stand here
                return Problem(place, f"{key!r} does not go with {self._first_key(path)!r}.")
            return Problem(place, f"unknown key {path[-1]!r}.", did_you_mean(key, known))
        if kind == "missing":
            place = self.document.place(self.path(location[:-1]), of_key=True)
            return Problem(place, f"{str(location[-1])!r} is missing here.")
        if kind.startswith("unknown_") or kind in ("union_tag_not_found", "union_tag_invalid"):
            return self._unknown_kind(detail, path)
        return self._wrong_value(detail, path)

    def _first_key(self, path: Path) -> str:
        """The first of the other keys of the mapping in which the key at `path` stands."""
        beside = (
            one
            for one in self.document.positions
            if len(one) == len(path) and one[:-1] == path[:-1] and one != path
        )
        return str(next(beside, path)[-1])

    def _known_keys(self, path: Path, location: Location) -> set[str]:
        """The keys of all models that read the mapping at `path`: a goal shares its condition's."""
        tried = [location[:n] for n in range(len(location) + 1)]
        return {
            key
            for prefix in tried
            if self.path(prefix) == path
            for key in keys_of(choices_at(self.model, prefix))
        }

    def _unknown_kind(self, detail: ErrorDetails, path: Path) -> Problem:
        kinds = kinds_of(choices_at(self.model, detail["loc"]))
        noun = detail["type"].removeprefix("unknown_") if "unknown" in detail["type"] else "kind"
        written = detail["input"]
        keys = [str(key) for key in written] if isinstance(written, Mapping) else []
        key = next((key for key in keys if did_you_mean(key, kinds)), keys[0] if keys else None)
        if key is None:
            place = self.document.place(path)
            article = "an" if noun[0] in "aeiou" else "a"
            said = f"{article} {noun} is missing here; it is one of {_listed(kinds)}."
            return Problem(place, said)
        place = self.document.place((*path, key), of_key=True)
        said = f"no {noun} is called {key!r}"
        hint = did_you_mean(key, kinds)
        return Problem(place, f"{said}.", hint) if hint else Problem(
            place, f"{said}; it is one of {_listed(kinds)}.")  # fmt: skip

    def _wrong_value(self, detail: ErrorDetails, path: Path) -> Problem:
        place, written = self.document.place(path), detail["input"]
        context: Mapping[str, Any] = detail.get("ctx", {})
        if isinstance(context.get("error"), Misplaced):
            inner = (*path, *context["error"].path)
            return Problem(self.document.place(inner, of_key=True), f"{context['error']}.")
        if "error" in context:
            said = str(context["error"])
            if written is None or isinstance(written, bool | list | dict):
                said = said.replace(repr(written), _shown(written))
            return self._explained(said, path, written)
        if written is None:
            return _without_value(self.document.place(path, of_key=True), path)
        if detail["type"] == "string_pattern_mismatch" and isinstance(written, str):
            return _not_a_name(place, written)
        words = PLAIN.get(detail["type"], "{input} does not fit here.")
        said = words.format(input=_shown(written), **context)
        expected = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return Problem(place, said, did_you_mean(str(written), expected))

    def _explained(self, text: str, path: Path, written: Any) -> Problem:
        """A sentence from a model; where it is about a key of a mapping, that key is marked."""
        said, asked, name = text.partition(" Did you mean '")
        hint = f"Did you mean '{name}" if asked else ""
        keys = [str(key) for key in written] if isinstance(written, Mapping) else []
        named = [said.split(" ", 1)[0], *re.findall(r"'(\w+)'", said)]
        meant = name.partition("'")[0]
        near = (k for k in keys if did_you_mean(k, [meant]))
        key = next((word for word in named if word in keys), None) or next(near, None)
        if key is not None and (*path, key) in self.document.positions:
            return Problem(self.document.place((*path, key), of_key=True), _sentence(said), hint)
        return Problem(self.document.place(path), _sentence(said), hint)


def _longest(location: Location, path: Path, known: Mapping[Path, Any]) -> Path:
    """The longest path in the file whose parts stand in `location` in this order."""
    best = path
    for index, part in enumerate(location):
        if (*path, part) in known:
            found = _longest(location[index + 1 :], (*path, part), known)
            best = found if len(found) >= len(best) else best
    return best


def _without_value(place: Place, path: Path) -> Problem:
    return Problem(place, f"{str(path[-1]) if path else 'the file'!r} has no value.")


def _not_a_name(place: Place, written: str) -> Problem:
    snake = re.sub(r"[^a-z0-9]+", "_", written.lower()).strip("_")
    hint = f"Did you mean {snake!r}?" if NAME.match(snake) else ""
    return Problem(
        place, f"{written!r} is not a name; names have small letters, digits and '_'.", hint
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _shown(value: Any) -> str:
    match value:
        case Mapping():
            return "keys and values"
        case list() | tuple():
            return "a list"
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case _:
            return repr(value)
