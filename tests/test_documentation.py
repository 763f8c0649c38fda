"""The documentation names everything that there is, and its links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from rekindle.cli.app import COMMANDS
from rekindle.settings import Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted(DOCS.rglob("*.md")),
]
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
HEADINGS = ["Context", "Decision", "Consequences", "Rejected"]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("command", [*COMMANDS])
def test_every_command_is_in_the_reference(command):
    assert re.search(rf"`(rekindle )?{command}\b", (DOCS / "commands.md").read_text("utf-8"))


@pytest.mark.parametrize("key", sorted(Settings.model_fields))
def test_every_setting_is_in_the_reference(key):
    field = Settings.model_fields[key]
    inner = field.annotation
    page = (DOCS / "settings.md").read_text("utf-8")

    wanted = [key]
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        wanted = [f"{key}.{one.alias or name}" for name, one in inner.model_fields.items()]
    missing = [name for name in wanted if f"`{name}" not in page]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    broken = [to for to in links(page) if not (page.parent / to).exists()]

    assert broken == []


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda page: page.name)
def test_a_decision_has_its_headings(decision):
    lines = decision.read_text("utf-8").splitlines()

    assert re.fullmatch(rf"# {decision.name[:4]}: .+", lines[0])
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == HEADINGS


def test_decisions_are_numbered_without_gaps():
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def links(page: Path) -> Iterator[str]:
    for to in LINK.findall(page.read_text("utf-8")):
        if not to.startswith(("http:", "https:", "mailto:")):
            yield to
