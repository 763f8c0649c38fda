"""What `rekindle --help` says of each command, read from the commands' source.

Importing them all for that would cost a hundred times as much: each brings what it works with.
"""

import ast
from pathlib import Path


def summary_of(module: str, name: str) -> str:
    """Return the help of the command `name` in `rekindle/cli/MODULE.py`: the docstring of its
    function, or the `help=` of its Typer app. Raises LookupError where there is neither.
    """
    source = Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")
    for statement in ast.parse(source).body:
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
