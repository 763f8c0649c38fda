"""JSON Schemas of the marketers' files, generated from the models that read them."""

from collections.abc import Mapping
from typing import Any

from rekindle.workspace.library import model_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VARIABLE = {"type": "string", "pattern": r"\$\{"}  # the environment may hold any value
Schema = dict[str, Any]


def schema_of(kind: str) -> Schema:
    """The schema of a file of this kind. Raises KeyError for a kind that has none."""
    model = model_of(kind)
    if model is None:
        raise KeyError(kind)
    schema = model.model_json_schema(by_alias=True)
    if kind == "settings":
        schema = _with_variables(schema)
    if kind == "journey":
        schema["$defs"]["Goal"] = _goal_as_written(schema["$defs"])
    return {"$schema": DIALECT, **_plain(schema), "title": f"Rekindle {kind}"}


def _plain(schema: Schema) -> Schema:
    """Without the titles and defaults that pydantic derives from Python's names and values."""
    return {
        key: _plain_value(key, value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str)) and key != "default"
    }


def _plain_value(key: str, value: Any) -> Any:
    if key in ("properties", "$defs") and isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, dict):
        return _plain(value)
    if isinstance(value, list):
        return [_plain(item) if isinstance(item, dict) else item for item in value]
    return value


def _with_variables(schema: Any) -> Any:
    """Whatever is not a text may also be written as `${NAME}`."""
    if isinstance(schema, list):
        return [_with_variables(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _with_variables(value) for key, value in schema.items()}
    if "enum" in inner or inner.get("type") in ("integer", "number", "boolean"):
        return {"anyOf": [inner, VARIABLE]}
    return inner


def _goal_as_written(definitions: Mapping[str, Schema]) -> Schema:
    """A goal's own keys stand among those of its condition."""
    goal = definitions["Goal"]
    own = {key: value for key, value in goal["properties"].items() if key != "condition"}
    kinds = [ref["$ref"].rsplit("/", 1)[1] for ref in goal["properties"]["condition"]["oneOf"]]
    theirs: Schema = {}
    for kind in kinds:
        theirs |= definitions[kind]["properties"]
    return {**goal, "properties": theirs | own, "required": ["within"]}
