"""`rekindle schema`: what editors check a file by."""

from typing import Annotated

import typer

from rekindle.cli.context import as_json
from rekindle.errors import WrongUse
from rekindle.workspace.kinds import KINDS
from rekindle.workspace.problems import did_you_mean
from rekindle.workspace.schema import schema_of


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=", ".join(KINDS))],
) -> None:
    """Print the JSON Schema of one kind of file, for editors."""
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS)
        raise WrongUse(f"there is no schema of {kind!r}; the kinds are {', '.join(KINDS)}. {hint}")
    print(as_json(schema_of(kind)))
