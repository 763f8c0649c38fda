"""Commands start at once: none brings what it does not work with.

What counts is what is imported, which is the same on every machine, slow or busy.
"""

import json
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from rekindle.cli.app import COMMANDS, build_app, main
from tests.shop import LAYOUT, Shop

SERVERS = {"fastapi", "starlette", "uvicorn", "dramatiq", "rekindle.process", "web"}
PROVIDERS = {"sendgrid", "apprise", "smtplib"}
FIGURES = {"numpy", "scipy"}
REHEARSALS = {"rekindle.rehearsal", "rekindle.testkit", "rekindle.demo"}
EVERYTHING = {"sqlalchemy", "alembic", "pydantic", "jinja2", "yaml", "babel", "structlog"}
STORE = {"rekindle.services", "store.session", "structlog"}
OURS = {"rekindle.services", "rekindle.settings", "rekindle.workspace.library", "store.tables"}
CHECKS = {"rekindle.workspace.check", "jinja2", "turbohtml", "alembic", "structlog"}
ASKED = """
import json, sys
from rekindle.cli.app import main

brought, known = [], set()
for words in json.loads(sys.argv[1]):
    code = main(words)
    now = {name for name in json.loads(sys.argv[2]) if name in sys.modules}
    brought.append([code, sorted(now - known)])
    known |= now
print(json.dumps(brought))
"""


def brought_by(commands: list[list[str]], unwanted: set[str]) -> dict[str, list[str]]:
    """Return what of the unwanted each of these commands imports, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED, json.dumps(commands), json.dumps(sorted(unwanted))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    names = [" ".join(words[:3]) for words in commands]
    assert [code for code, _ in found if code not in (0, 2)] == [], done.stderr
    return {name: modules for name, (_, modules) in zip(names, found, strict=True) if modules}


def test_help_imports_nothing_that_works():
    unwanted = EVERYTHING | SERVERS | PROVIDERS | FIGURES | REHEARSALS

    assert brought_by([["--help"], []], unwanted) == {}


def test_help_says_of_each_command_what_the_command_says():
    listed = {name: command.get_short_help_str(500) for name, command in _commands(None).items()}

    assert list(listed) == list(COMMANDS)
    for name, help_ in listed.items():
        assert _commands(name)[name].get_short_help_str(500) == help_


def _commands(name: str | None) -> Any:
    return get_command(build_app(name)).commands  # type: ignore[attr-defined]


def _spoken() -> list[list[str]]:
    """Every command as it is typed, those of groups included."""
    return [
        [name, *inner]
        for name in COMMANDS
        for inner in ([], *([sub] for sub in getattr(_commands(name)[name], "commands", ())))
    ]


def test_help_of_any_command_imports_nothing_that_works():
    """Pydantic may come: Typer itself reads parameters by it."""
    unwanted = (EVERYTHING - {"pydantic"}) | SERVERS | PROVIDERS | FIGURES | REHEARSALS | OURS
    spoken = [[*words, "--help"] for words in _spoken()]

    assert len(spoken) > len(COMMANDS)
    assert brought_by(spoken, unwanted) == {}


@pytest.mark.parametrize("words", _spoken(), ids=" ".join)
def test_help_from_a_signature_says_what_the_command_says(words: list[str]):
    shown, whole = (
        CliRunner().invoke(build_app(words[0], shows_help=quick), [*words, "--help"])
        for quick in (True, False)
    )

    assert (shown.exit_code, whole.exit_code) == (0, 0)
    assert shown.output == whole.output


def test_checking_imports_neither_servers_nor_figures_nor_a_database(tmp_path: Path):
    assert main(["init", str(tmp_path / "ws")]) == 0

    check = ["check", "--workspace", str(tmp_path / "ws")]

    unwanted = SERVERS | PROVIDERS | FIGURES | REHEARSALS | {"alembic", *STORE}
    assert brought_by([check], unwanted) == {}


def test_what_reads_no_definitions_imports_none_of_their_classes(tmp_path: Path):
    where = ["--workspace", str(tmp_path)]
    words = [["keys", "list"], ["users", "list"], ["hold", "a test"], ["release"], ["db", "check"]]

    unwanted = {"journeys", "segments", "surveys", "jinja2", *FIGURES}
    assert brought_by([[*spoken, *where] for spoken in words], unwanted) == {}


def test_making_a_workspace_copies_files_and_no_more(tmp_path: Path):
    init = ["init", str(tmp_path / "ws")]

    unwanted = (EVERYTHING - {"pydantic"}) | SERVERS | PROVIDERS | FIGURES | REHEARSALS | OURS
    assert brought_by([init], unwanted) == {}


def test_looking_something_up_imports_no_checks_and_no_workers(
    tmp_path: Path, sqlite_url: str, now: datetime
):
    folder = tmp_path / "ws"
    folder.mkdir()
    with closing(Shop(folder, sqlite_url, now)) as shop:
        _fill(shop)
    where = ["--workspace", str(folder), "--database", sqlite_url, "--now", now.isoformat()]
    looks = [
        ["segment"], ["segment", "grown_up"], ["segment", "grown_up", "--explain", "ana"],
        ["customer", "ana"], ["why", "1"], ["why", "ana", "thanks"], ["keys", "list"],
        ["users", "list"], ["hold", "a test"], ["release"], ["messages", "retry"],
        ["report", "journey"], ["customer", "suppress", "ana"],
    ]  # fmt: skip

    unwanted = SERVERS | PROVIDERS | FIGURES | REHEARSALS | CHECKS
    brought = brought_by([[*words, *where] for words in looks], unwanted)

    assert brought == {}


def _fill(shop: Shop) -> None:
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    shop.write("segments/grown_up.yaml", "segment: grown_up\nmatch: {trait: age, at_least: 18}\n")
    shop.write("journeys/thanks.yaml", THANKS)
    shop.mail("thanks")
    shop.apply()
    shop.customer("ana", age=40)
    shop.happens("order.completed", "ana")
    shop.run()


THANKS = """
journey: thanks
topic: service
holdout: none
start: [{event: order.completed}]
steps: [{send: thanks}]
"""
