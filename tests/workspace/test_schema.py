"""The schemas accept what the starter says and know every key."""

import json

import pytest

from rekindle.workspace.kinds import KINDS
from rekindle.workspace.schema import schema_of


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_one_closed_object(kind):
    schema = schema_of(kind)

    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert json.dumps(schema)


def test_every_kind_of_file_that_has_a_model_has_a_schema():
    assert KINDS == ("import", "journey", "segment", "settings", "source", "survey", "test")


def test_what_is_written_as_text_is_text_in_the_schema():
    journey, settings = schema_of("journey"), schema_of("settings")

    assert journey["properties"]["again"] == {"type": "string"}
    assert journey["$defs"]["SplitArm"]["properties"]["share"] == {"type": "string"}
    assert settings["properties"]["caps"]["additionalProperties"] == {"type": "string"}


def test_a_goal_takes_the_keys_of_its_condition():
    goal = schema_of("journey")["$defs"]["Goal"]

    assert {"event", "where", "within", "value", "not"} <= set(goal["properties"])
    assert goal["required"] == ["within"]


def test_a_number_in_the_settings_may_come_from_the_environment():
    port = schema_of("settings")["$defs"]["Smtp"]["properties"]["port"]

    assert {"type": "string", "pattern": r"\$\{"} in port["anyOf"]
