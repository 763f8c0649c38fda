"""`rekindle import` and `rekindle export`: data in and out."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from adapters.files.layout import KINDS
from rekindle.cli.context import as_json_line, options, say
from rekindle.cli.importing import Prepared, import_file, prepare_file
from rekindle.cli.opening import open_here
from rekindle.counting import counted
from rekindle.errors import WrongUse
from rekindle.services import Services
from store.exports import NOUNS, export_rows


def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="CSV or JSON Lines; .gz too")
    ],
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="or FIELD=const:VALUE; repeatable"),
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help=" or ".join(KINDS))
    ] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="where the events say they are from")
    ] = "import",
) -> None:
    """Bring in events, customers or suppressions; the same file again changes nothing."""
    if kind is not None and kind not in KINDS:
        raise WrongUse(f"--kind is one of {', '.join(KINDS)}, not {kind!r}.")
    prepared = [prepare_file(file, maps or [], kind, source) for file in files]
    with open_here() as services:
        totals = _import_all(services, prepared, source)
    _report(totals, prepared)


def _import_all(services: Services, files: list[Prepared], source: str) -> dict[str, int]:
    totals = {"accepted": 0, "duplicates": 0, "rejected": 0, "unusable_addresses": 0}
    with _bar() as bar:
        for file in files:
            task = bar.add_task(file.path.name, total=file.lines)
            show = partial(_show, bar, task)
            done = import_file(services, file, source, show)
            for name in totals:
                totals[name] += getattr(done, name)
    services.wake.changed()
    return totals


def _show(bar: Progress, task: TaskID, line: int) -> None:
    bar.update(task, completed=line)


def _report(totals: dict[str, int], files: list[Prepared]) -> None:
    duplicates = counted(totals["duplicates"], "duplicate")
    words = f"{totals['accepted']:,} accepted, {duplicates}, {totals['rejected']:,} rejected."
    if unusable := totals["unusable_addresses"]:
        words += f" {unusable:,} without a usable address: nobody is emailed there."
    noted = [str(file.rejects) for file in files if file.rejects.exists()]
    where = f" See {', '.join(noted)}." if (totals["rejected"] or unusable) and noted else ""
    say(words + where, totals)


@contextmanager
def _bar() -> Iterator[Progress]:
    """Shown on a terminal only; scripts and `--json` see nothing of it."""
    console = Console(stderr=True)
    is_shown = console.is_terminal and not options().as_json
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not is_shown, transient=True
    ) as bar:
        yield bar


def export(
    noun: Annotated[str, typer.Argument(metavar="NOUN", help=", ".join(NOUNS))],
) -> None:
    """Print everything stored of one noun, as JSON Lines."""
    if noun not in NOUNS:
        raise WrongUse(f"{noun!r} cannot be exported; choose from {', '.join(NOUNS)}.")
    try:
        with open_here() as services, services.store.read() as connection:
            for row in export_rows(connection, noun, services.clock.now()):
                print(as_json_line(row))
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
