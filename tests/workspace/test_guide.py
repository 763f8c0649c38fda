"""The guide's examples work, and it leaves out no key."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from journeys.definition import Journey
from rekindle.settings import Settings
from rekindle.workspace.folder import read_folder
from segments.definition import Segment
from surveys.definition import Survey

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"```\w+\n(?:#|\{#) (\S+)(?: #\})?\n(.*?)```", re.DOTALL)
NOT_WRITTEN = {"condition", "rule", "after", "count", "begins", "ends"}  # made of other words


def models_in(model, found):
    """`model` and every model that its schema refers to."""
    if isinstance(model, type) and issubclass(model, BaseModel) and model not in found:
        found.add(model)
        for field in model.model_fields.values():
            models_in(field.annotation, found)
    for inner in getattr(model, "__args__", ()):
        models_in(inner, found)
    return found


def keys_of(model):
    return {
        field.alias or name
        for inner in models_in(model, set())
        for name, field in inner.model_fields.items()
    }


def test_every_example_of_the_guide_works_as_it_stands(write):
    files = dict(EXAMPLE.findall(GUIDE))

    library, problems = read_folder(write(files), {})

    assert [str(problem) for problem in problems] == []
    assert {"welcome_back", "parcel_lost"} <= set(library.journeys)
    assert len(files) >= 10


@pytest.mark.parametrize("model", [Settings, Segment, Journey, Survey])
def test_no_key_is_missing_from_the_guide(model):
    told = set(re.findall(r"`([a-z0-9_]+)\b", GUIDE)) | set(re.findall(r"([a-z0-9_]+): ", GUIDE))

    assert keys_of(model) - told - NOT_WRITTEN == set()
