"""`rekindle sources`: databases that are read by a schedule; reading them now, and looking."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import typer

from rekindle.cli.context import leave, options, say
from rekindle.cli.opening import open_here
from rekindle.errors import NotFound, RekindleError, WrongUse
from rekindle.workspace.problems import did_you_mean
from store.source_states import SourceState, load_source_states

SHOWN = 5  # rows of a look
HINT = "Those of files are known once they are applied."
ACTS = "read [NAME] | look NAME"


def sources(
    words: Annotated[
        list[str] | None, typer.Argument(metavar=f"[{ACTS}]", show_default=False)
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="read from the beginning; nothing is stored twice")
    ] = False,
) -> None:
    """Say how far databases have been read; read one or all now; look at what one gives."""
    match words or []:
        case []:
            _list()
        case ["read", *names] if len(names) < 2:
            _read(names, again=again)
        case ["look", name]:
            _look(name)
        case _:
            raise WrongUse(f"say 'sources' alone, or 'sources' with {ACTS}.")


def _list() -> None:
    from workers.sources import say_states

    with open_here() as services, services.store.read() as connection:
        known, now = services.library().sources, services.clock.now()
        states = load_source_states(connection)
    new = sorted(set(known) - {state.source for state in states})
    lines = [*say_states(states, now), *(f"{name}: never read" for name in new)]
    rows = [_document(state, now) for state in states]
    rows += [{"source": name, "part": None} for name in new]
    say("\n".join(lines) or "No database is a source: sources/NAME.yaml makes one.", rows)


def _document(state: SourceState, now: datetime) -> dict[str, Any]:
    lag = (now - state.caught_up_at).total_seconds() if state.caught_up_at else None
    return {
        "source": state.source, "part": state.part, "accepted": state.accepted,
        "rejected": state.rejected, "read_at": state.caught_up_at, "lag_seconds": lag,
        "cursor": state.cursor["value"] if state.cursor else None,
        "failed_at": state.failed_at, "error": state.error,
    }  # fmt: skip


def _read(names: Sequence[str], *, again: bool) -> None:
    from workers.sources import read_source

    failed: dict[str, str] = {}
    done = []
    with open_here() as services:
        known = services.library().sources
        for name in names or sorted(known):
            source = _named(name, known)
            try:
                done += read_source(services, source, again=again)
            except RekindleError as error:
                failed[name] = str(error)
    lines = [read.in_words() for read in done]
    lines += [f"{name}: {reason}" for name, reason in failed.items()]
    rows = [
        {"source": read.source, "part": read.part, "accepted": read.accepted,
         "duplicates": read.duplicates, "rejected": read.rejected}
        for read in done
    ]  # fmt: skip
    document = {"read": rows, "failed": failed}
    say("\n".join(lines) or "Nothing was read: another process reads it, or nothing is applied.",
        document, rows)  # fmt: skip
    if failed or any(read.rejected for read in done):
        leave(1)


def _look(name: str) -> None:
    """What the file in the folder gives at the moment; nothing is stored."""
    from adapters.databases.reading import open_database
    from rekindle.workspace.library import read_library

    source = _named(name, read_library(options().workspace, os.environ).sources)
    found: list[dict[str, Any]] = []
    with open_database(source, os.environ) as database:
        for part in source.parts:
            rows = [row.line.row or {} for row in islice(database.sample(part, SHOWN), SHOWN)]
            columns = database.columns(part)
            found.append({"part": part.kind, "columns": columns, "cursor": part.cursor,
                          "rows": rows})  # fmt: skip
    lines = []
    for one in found:
        lines.append(f"{name}, {one['part']}: {', '.join(one['columns'])}")
        lines += [f"  {_row(row)}" for row in one["rows"]] or ["  no rows"]
    say("\n".join(lines), found)


def _row(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items())


def _named(name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        hint = did_you_mean(name, known)
        said = f"no source is called {name!r}."
        raise NotFound(f"{said} {hint or HINT}")
    return known[name]
