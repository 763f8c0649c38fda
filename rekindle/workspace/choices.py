"""What a model would have taken at a place: its keys, and the kinds of a union."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag

Location = tuple[
    int | str, ...
]  # pydantic's: field names, list indexes, and names of union members


@dataclass(frozen=True)
class Choice:
    """One type that may stand somewhere, and the name of its kind if it is one of a union."""

    tag: str | None
    type: Any


def choices_at(model: type[BaseModel], location: Location) -> tuple[Choice, ...]:
    """The types that pydantic may have tried at `location`."""
    choices: tuple[Choice, ...] = (Choice(None, model),)
    for part in location:
        choices = tuple(_step(choices, part)) or choices
    return choices


def keys_of(choices: Iterable[Choice]) -> set[str]:
    """Every key that one of these models knows."""
    models = (choice.type for choice in choices if _is_model(choice.type))
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def kinds_of(choices: Iterable[Choice]) -> tuple[str, ...]:
    """The kinds of a union, in the order in which they are declared."""
    return tuple(dict.fromkeys(choice.tag for choice in choices if choice.tag))


def _step(choices: Sequence[Choice], part: int | str) -> Iterator[Choice]:
    if isinstance(part, int):
        for choice in choices:
            yield from _elements(choice.type)
        return
    if tagged := [choice for choice in choices if choice.tag == part]:
        yield from (Choice(None, choice.type) for choice in tagged)
        return
    for choice in choices:
        yield from _under_key(choice.type, part)


def _elements(annotation: Any) -> Iterator[Choice]:
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        for inner in get_args(annotation):
            if inner is not Ellipsis:
                yield from _flatten(inner)


def _under_key(annotation: Any, key: str) -> Iterator[Choice]:
    if _is_model(annotation):
        for name, field in annotation.model_fields.items():
            if key in (name, field.alias):
                yield from _flatten(field.annotation)
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        yield from _flatten(get_args(annotation)[1])


def _flatten(annotation: Any, tag: str | None = None) -> Iterator[Choice]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        named = next((item.tag for item in metadata if isinstance(item, Tag)), tag)
        yield from _flatten(inner, named)
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from _flatten(member, tag)
    elif annotation is not type(None):
        yield Choice(tag, annotation)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
