"""Every recipe is in order, works as its tests say, and goes well with the starter."""

import re
import shutil
from collections.abc import Collection
from pathlib import Path

import pytest

from rekindle import ENGINE_ROOT
from rekindle.testkit.playing import play_all
from rekindle.workspace.folder import load_workspace

RECIPES = Path(__file__).parents[1] / "docs" / "recipes"
FOLDERS = sorted(folder for folder in RECIPES.iterdir() if folder.is_dir())
PARTS = ("segments", "journeys", "surveys", "templates", "tests")


def names_of_stories(recipe: Path) -> list[str]:
    return [file.stem for file in sorted(recipe.glob("tests/*.yaml"))]


def made_by_init(shop: Path, *recipes: Path) -> Path:
    """A fresh workspace with these recipes, taken over as the page of recipes says."""
    shutil.copytree(ENGINE_ROOT / "starter", shop)
    for recipe in recipes:
        for part in filter(Path.is_dir, (recipe / name for name in PARTS)):
            shutil.copytree(part, shop / part.name, dirs_exist_ok=True)
    return shop


def failures(shop: Path, names: Collection[str] = ()) -> list[str]:
    """What is not as the stories of a workspace say, or those called `names`; none may be a
    warning of `check`.
    """
    problems = [str(problem) for problem in load_workspace(shop, {}).problems]
    played = list(play_all(shop, {}, names)) if not problems else []
    return [*problems, *(str(story.problem) for story in played if story.problem)]


@pytest.mark.parametrize("recipe", FOLDERS, ids=lambda folder: folder.name)
def test_a_recipe_is_in_order_alone_and_in_a_fresh_workspace(recipe, tmp_path):
    alone = load_workspace(recipe, {})
    taken_over = load_workspace(made_by_init(tmp_path / "shop", recipe), {})

    assert [str(problem) for problem in (*alone.problems, *taken_over.problems)] == []
    assert sum(len(one.value.cases) for one in alone.readings if one.file.kind == "test") >= 3


def test_the_stories_of_recipes_pass_in_a_fresh_workspace_that_took_over_all(tmp_path):
    names = [name for recipe in FOLDERS for name in names_of_stories(recipe)]

    assert failures(made_by_init(tmp_path / "shop", *FOLDERS), names) == []


def test_the_stories_of_a_recipe_pass_alone_and_beside_those_of_the_starter(tmp_path):
    recipe = RECIPES / "service_recovery"

    assert failures(recipe) == []
    assert failures(made_by_init(tmp_path / "shop", recipe)) == []


@pytest.mark.deep
@pytest.mark.parametrize("recipe", FOLDERS, ids=lambda folder: folder.name)
def test_all_stories_pass_alone_and_in_a_fresh_workspace(recipe, tmp_path):
    assert failures(recipe) == []
    assert failures(made_by_init(tmp_path / "shop", recipe)) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recipe_says_when_to_use_it_and_sends_no_mail_unseen(folder):
    library = load_workspace(folder, {}).library
    tests = "\n".join(file.read_text("utf-8") for file in folder.glob("tests/*.yaml"))

    assert "**When.**" in (folder / "README.md").read_text("utf-8")
    assert [mail for mail in library.templates if not re.search(rf"mail: {mail}\b", tests)] == []


def test_the_page_of_recipes_lists_each():
    page = (RECIPES / "README.md").read_text("utf-8")

    assert sorted(re.findall(r"\]\((\w+)/README.md\)", page)) == [one.name for one in FOLDERS]
    assert len(FOLDERS) == 16
