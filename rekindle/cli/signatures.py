"""What `--help` shows of commands, read from their source: importing what they work with would cost
many times as much.

Of a command's module only what its signature is made of is run: the function with its docstring in
place of its body, its annotations and defaults, and whatever these name. So annotations of commands
may name anything, and what they name had better be quick to import.
"""

import ast
from collections.abc import Iterable, Iterator
from copy import copy
from pathlib import Path
from typing import Any


def summary_of(module: str, name: str) -> str:
    """Return the help of the command `name` in `rekindle/cli/MODULE.py`: the docstring of its
    function, or the `help=` of its Typer app. Raises LookupError where there is neither.
    """
    for statement in _statements(module):
        match statement:
            case ast.FunctionDef(name=found) if found == name:
                return ast.get_docstring(statement) or ""
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Call(keywords=keywords)):
                texts = [k.value for k in keywords if k.arg == "help" and found == name]
                if texts and isinstance(texts[0], ast.Constant):
                    return str(texts[0].value)
            case _:
                pass
    raise LookupError(f"no command {name!r} in {module}.py")


def signature_of(module: str, name: str) -> Any:
    """Return the function or Typer app `name` of `rekindle/cli/MODULE.py` with all that its help
    says, and nothing of what it does.
    """
    statements = _statements(module)
    wanted = _reached(statements, name)
    body = [_without_work(statement) for statement in statements if statement in wanted]
    found: dict[str, Any] = {"__name__": f"rekindle.cli.{module}"}
    exec(compile(ast.Module(body, []), f"{module}.py", "exec"), found)  # our own
    return found[name]


def _statements(module: str) -> list[ast.stmt]:
    return ast.parse(Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")).body


def _reached(statements: list[ast.stmt], name: str) -> set[ast.stmt]:
    """Return what defines `name`, hangs on it (as commands do on their app), or is named by those
    in turn.
    """
    defining = {defined: statement for statement in statements for defined in _defined(statement)}
    hanging = [statement for statement in statements if name in _hangs_on(statement)]
    reached: set[ast.stmt] = set()
    ahead = [defining[name], *hanging]
    while ahead:
        statement = ahead.pop()
        if statement not in reached:
            reached.add(statement)
            ahead += [defining[used] for used in _used(statement) if used in defining]
    return reached


def _defined(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
        case ast.Assign(targets=targets):
            yield from (name for target in targets for name in _names(ast.walk(target)))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case _:
            pass


def _hangs_on(statement: ast.stmt) -> set[str]:
    """`@app.command()` above a function, or a call such as `app.add_typer(…)`."""
    match statement:
        case ast.FunctionDef(decorator_list=decorators):
            return {name for decorator in decorators for name in _names(ast.walk(decorator))}
        case ast.Expr(value=ast.Call()):
            return set(_names(ast.walk(statement)))
        case _:
            return set()


def _used(statement: ast.stmt) -> Iterator[str]:
    return _names(ast.walk(_without_work(statement)))


def _names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    return (node.id for node in nodes if isinstance(node, ast.Name))


def _without_work(statement: ast.stmt) -> ast.stmt:
    """A function as its signature and docstring; anything else as it is."""
    if not isinstance(statement, ast.FunctionDef):
        return statement
    shown = copy(statement)
    shown.body = [ast.Expr(ast.Constant(ast.get_docstring(statement) or ""))]
    shown.returns = None
    return ast.fix_missing_locations(shown)
