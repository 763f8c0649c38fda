"""Every recipe is in order, works as its tests say, and goes well with the starter."""

import re
import shutil
from pathlib import Path

import pytest

from rekindle import ENGINE_ROOT
from rekindle.testkit.playing import play_all
from rekindle.workspace.folder import load_workspace

RECIPES = Path(__file__).parents[1] / "docs" / "recipes"
FOLDERS = sorted(folder for folder in RECIPES.iterdir() if folder.is_dir())
PARTS = ("segments", "journeys", "surveys", "templates", "tests")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recipe_works_as_its_tests_say(folder):
    played = list(play_all(folder, {}, ()))

    assert [str(problem) for problem in load_workspace(folder, {}).problems] == []
    assert [str(one.problem) for one in played if one.problem] == []
    assert len(played) >= 3


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recipe_says_when_to_use_it_and_sends_no_mail_unseen(folder):
    library = load_workspace(folder, {}).library
    tests = "\n".join(file.read_text("utf-8") for file in folder.glob("tests/*.yaml"))

    assert "**When.**" in (folder / "README.md").read_text("utf-8")
    assert [mail for mail in library.templates if not re.search(rf"mail: {mail}\b", tests)] == []


def test_the_page_of_recipes_lists_each():
    page = (RECIPES / "README.md").read_text("utf-8")

    assert sorted(re.findall(r"\]\((\w+)/README.md\)", page)) == [one.name for one in FOLDERS]
    assert len(FOLDERS) == 15


def test_all_recipes_go_into_the_starter_together(tmp_path):
    shop = tmp_path / "shop"
    shutil.copytree(ENGINE_ROOT / "starter", shop)
    for folder in FOLDERS:
        for part in filter(Path.is_dir, (folder / name for name in PARTS)):
            shutil.copytree(part, shop / part.name, dirs_exist_ok=True)
    settings = shop / "rekindle.yaml"
    with_reviews = settings.read_text("utf-8").replace(
        "topics:\n", "topics:\n  reviews: {consent: assumed}\n"
    )
    settings.write_text(with_reviews, encoding="utf-8")

    problems = load_workspace(shop, {}).problems

    assert [str(one) for one in problems if one.level == "error"] == []
