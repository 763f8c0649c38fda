"""Mails look in Chromium after their CSS was inlined as they looked before.

Real templates: all of Foundation for Emails, and ten of MJML made with its own compiler; both are
npm packages, where `REKINDLE_MAIL_FRAMEWORKS` says that they are installed.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rekindle import ENGINE_ROOT
from templates.inline import inline_mail, inline_styles
from templates.markup import protect, restore
from templates.sources import Piece, Place
from tests.browser import launched, needs_chromium
from tests.templates.looks import differences, some_page

HERE = Path(__file__).parent
OURS = [ENGINE_ROOT / "templates" / "email" / "frame.html.j2", *sorted(HERE.glob("field/*.j2"))]
SAMPLES = sorted(HERE.glob("mjml/*.mjml"))
FRAMEWORKS = os.environ.get("REKINDLE_MAIL_FRAMEWORKS", "")
FOUNDATION = (
    "basic", "drip", "hero", "marketing", "newsletter", "newsletter-2", "order", "password",
    "sidebar", "sidebar-hero", "welcome",
)  # fmt: skip
LINK = '<link rel="stylesheet" href="../assets/css/foundation-emails.css">'

pytestmark = [needs_chromium, pytest.mark.xdist_group("chromium")]
needs_frameworks = pytest.mark.skipif(
    not FRAMEWORKS, reason="REKINDLE_MAIL_FRAMEWORKS does not say where mail frameworks are"
)


def some_of(names: Sequence[str], *few: str) -> list[Any]:
    """All of them are looked at by the long tests, few by those of every day."""
    return [pytest.param(name, marks=[] if name in few else pytest.mark.deep) for name in names]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def compiled() -> dict[str, str]:
    """The HTML that MJML makes of each sample."""
    command = ["node", str(HERE / "compile_mjml.cjs"), FRAMEWORKS, *map(str, SAMPLES)]
    made = subprocess.run(command, capture_output=True, check=True, encoding="utf-8", timeout=60)
    pages = json.loads(made.stdout)
    return {file.stem: page for file, page in zip(SAMPLES, pages, strict=True)}


def inlined_once(page: str) -> str:
    """As a template is, before it is rendered."""
    body = protect([Piece(page, Place("mail", 1))])
    assert inline_styles(body)
    return restore(body)[0]


def test_our_own_and_what_failed_in_the_field(chromium):
    pages = [file.read_text(encoding="utf-8") for file in OURS]

    assert not list(differences(chromium, [(page, inlined_once(page)) for page in pages]))


def differences_on_phones(browser: Any, pages: Sequence[str]) -> list[str]:
    pairs = [(page, inline_mail(page)) for page in pages]
    return list(differences(browser, pairs, widths=(360,), schemes=("light",)))


@pytest.mark.parametrize("name", some_of(FOUNDATION, "hero"))
@needs_frameworks
def test_templates_of_foundation(chromium, name):
    package = Path(FRAMEWORKS) / "foundation-emails"
    css = (package / "dist" / "foundation-emails.css").read_text(encoding="utf-8")
    page = (package / ".download" / "templates" / f"{name}.html").read_text(encoding="utf-8")
    page = page.replace(LINK, f"<style>{css}</style>")
    assert css in page

    inlined = inlined_once(page)

    assert inlined.count("style=") > page.count("style=")
    assert inlined.count("@media") == page.count("@media") > 0
    assert not list(differences(chromium, [(page, inlined)]))


@pytest.mark.parametrize("name", some_of([file.stem for file in SAMPLES], "columns", "table"))
@needs_frameworks
def test_templates_of_mjml(chromium, compiled, name):
    page = compiled[name]

    inlined = inlined_once(page)

    assert inlined.count("@media") == page.count("@media") > 0
    assert not list(differences(chromium, [(page, inlined)]))


def test_rules_at_odds(chromium):
    random = Random(1)
    pages = [some_page(random, on_phones=True) for _ in range(60)]

    assert not differences_on_phones(chromium, pages)


@pytest.mark.deep
def test_thousands_of_rules_at_odds(chromium):
    """Not all can be told apart by `!important` alone, where rules shout at each other."""
    random = Random(2)
    pages = [some_page(random, on_phones=True) for _ in range(1000)]

    differing = {found.partition("</html>")[0] for found in differences_on_phones(chromium, pages)}

    assert all("!important" in page for page in differing)
    assert len(differing) <= 2
