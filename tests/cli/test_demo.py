"""`rekindle demo`: touches no folder that is not a demo's."""

import pytest

from rekindle.cli.demo import make_workspace
from rekindle.errors import WrongUse


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    precious = tmp_path / "thesis.txt"
    precious.write_text("years of work")

    with pytest.raises(WrongUse):
        make_workspace(tmp_path)

    assert precious.read_text() == "years of work"


def test_an_earlier_demo_is_made_anew(tmp_path):
    folder = make_workspace(tmp_path / "demo-shop")
    (folder / "outbox").mkdir()

    make_workspace(folder)

    assert not (folder / "outbox").exists()
    assert (folder / "rekindle.yaml").exists()
