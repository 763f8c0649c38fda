"""The examples of the guide to testing pass with the starter, and no key is missing there."""

import re
import shutil
from pathlib import Path

import pytest

from rekindle import ENGINE_ROOT
from rekindle.testkit.playing import play_all
from rekindle.workspace.cases import ACTS, EXPECTATIONS, CaseFile
from tests.workspace.test_guide import EXAMPLE, keys_of

GUIDE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")


def test_every_example_passes(tmp_path):
    shutil.copytree(ENGINE_ROOT / "starter", tmp_path / "shop")
    for name, text in EXAMPLE.findall(GUIDE):
        (tmp_path / "shop" / name).write_text(text, encoding="utf-8")

    played = list(play_all(tmp_path / "shop", {}, ("questions", "drifting", "details")))

    assert [str(one.problem) for one in played if one.problem] == []
    assert len(played) >= 8


@pytest.mark.parametrize("key", sorted({*ACTS, *EXPECTATIONS, *keys_of(CaseFile)}))
def test_no_key_is_missing(key):
    assert re.search(rf"`{key}\b|\b{key}: ", GUIDE)
