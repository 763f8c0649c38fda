"""The house rules that a linter cannot express."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINE = (
    "rekindle", "journeys", "segments", "surveys", "templates", "workers", "migrations", "store",
    "adapters", "web",
)  # fmt: skip
CORE = ("journeys", "segments", "surveys", "templates")
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 50
EXPLAINED = "Long because"
LISTS = ("migrations/versions/",)  # of columns; their length says nothing
FORBIDDEN_NAMES = {"utils", "common", "helpers", "models", "misc"}
ENVIRONMENT_READERS = {"rekindle/services.py", "rekindle/worker.py", "rekindle/asgi.py"}


def modules(folders: tuple[str, ...] = ENGINE) -> Iterator[Path]:
    for folder in folders:
        found = sorted((ROOT / folder).rglob("*.py"))
        yield from (module for module in found if not name_of(module).startswith(LISTS))


def name_of(module: Path) -> str:
    return module.relative_to(ROOT).as_posix()


def test_imports_keep_to_their_layers():
    lint_imports = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, text=True, capture_output=True, check=False
    )

    assert done.returncode == 0, done.stdout


def test_every_module_says_what_it_is_for():
    silent = [
        name_of(module)
        for module in modules()
        if module.read_text("utf-8").strip() and not ast.get_docstring(parsed(module))
    ]

    assert silent == []


def test_a_long_module_says_why():
    unexplained = [
        name_of(module)
        for module in modules()
        if len(module.read_text("utf-8").splitlines()) > MOST_LINES
        and EXPLAINED not in (ast.get_docstring(parsed(module)) or "")
    ]

    assert unexplained == []


def test_a_long_function_says_why():
    unexplained = [
        f"{name_of(module)}:{function.lineno} {function.name}"
        for module in modules()
        for function in functions(module)
        if length(function) > MOST_LINES_OF_A_FUNCTION
        and EXPLAINED not in (ast.get_docstring(function) or "")
    ]

    assert unexplained == []


def test_passwords_are_hashed_where_it_is_bounded_how_many_are():
    hashing = {name_of(m) for m in modules() if re.search(r"(from|import) argon2", m.read_text())}

    assert hashing == {"web/passwords.py"}


def test_nothing_is_called_utils():
    named = [name_of(m) for m in modules() if FORBIDDEN_NAMES & {m.stem, m.parent.name}]

    assert named == []


def test_the_environment_is_read_by_the_doors_and_by_services():
    readers = {name_of(m) for m in modules() if reads_environment(parsed(m))}

    others = {name for name in readers if not name.startswith("rekindle/cli/")}
    assert others <= ENVIRONMENT_READERS


def test_lines_of_the_log_are_written_by_one_door():
    """Which redacts them, and loads what writes them with the first."""
    importing = [name_of(m) for m in modules() if "import structlog" in m.read_text("utf-8")]

    assert importing == ["rekindle/logs.py"]


@pytest.mark.parametrize("core", CORE)
def test_the_core_runs_no_statement(core):
    runners = [
        f"{name_of(module)}:{call.lineno}"
        for module in modules((core,))
        for call in ast.walk(parsed(module))
        if isinstance(call, ast.Attribute) and call.attr in {"execute", "commit"}
    ]

    assert runners == []


def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text("utf-8"))


def functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def reads_environment(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
        for node in ast.walk(tree)
    )
