"""The starter's own tests pass, and none of its journeys is without one."""

from rekindle import ENGINE_ROOT
from rekindle.testkit.playing import play_all
from rekindle.workspace.folder import load_workspace

STARTER = ENGINE_ROOT / "starter"


def test_every_case_passes():
    played = list(play_all(STARTER, {}, ()))

    assert [str(one.problem) for one in played if one.problem] == []
    assert len(played) >= 25


def test_every_journey_has_its_test():
    workspace = load_workspace(STARTER, {})

    tested = {one.file.name for one in workspace.readings if one.file.kind == "test"}
    assert tested == set(workspace.library.journeys)
