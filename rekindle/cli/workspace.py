"""`init`, `check` and `schema`: the marketers' folder from its making to its being in order."""

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from rekindle.cli.context import as_json, leave, options, say
from rekindle.cli.starter import copy_starter, starter_files
from rekindle.counting import counted
from rekindle.errors import StoreUnavailable, WrongUse
from rekindle.services import embedded_url
from rekindle.workspace.fact_checks import check_seen_facts, check_seen_traits, events_of_starts
from rekindle.workspace.folder import load_workspace
from rekindle.workspace.library import Library, Reading
from rekindle.workspace.problems import Problem, did_you_mean, has_errors, in_order
from rekindle.workspace.schema import KINDS, schema_of
from rekindle.workspace.seen import Seen, check_seen, check_types_seen, comparisons_in
from store.events import load_latest_properties
from store.kinds import load_event_names
from store.knowledge import load_latest_values, load_trait_names
from store.session import Store


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the workspace shall be.")],
) -> None:
    """Make a workspace: five journeys, their segments, surveys and mails, ready to run."""
    files = starter_files()
    if folder.exists() and not folder.is_dir():
        raise WrongUse(f"{folder} is a file, not a folder.")
    if taken := [file.as_posix() for file in files if (folder / file).exists()]:
        raise WrongUse(f"nothing was written, because {folder} already has {', '.join(taken[:3])}"
                       f"{' and others' if len(taken) > 3 else ''}.")  # fmt: skip
    copy_starter(folder)
    say(
        f"{folder} has a workspace of {len(files)} files. What next:\n"
        f"  cd {folder}\n"
        "  rekindle check                                  is it all in order?\n"
        "  rekindle test                                   does it do what its tests say?\n"
        "  rekindle import customers.csv --kind customers  who they are\n"
        "  rekindle import events.csv                      what they did\n"
        "  rekindle up                                     run it, and open the dashboard",
        {"folder": str(folder), "files": [file.as_posix() for file in files]},
    )


def check() -> None:
    """Read every file of the workspace and report all problems at once."""
    workspace = load_workspace(options().workspace, os.environ)
    readings, library = workspace.readings, workspace.library
    seen = _look_around(readings, library)
    of_names = check_seen(readings, seen) if seen else ()
    of_types = check_types_seen(readings, seen) if seen else ()
    of_facts = check_seen_facts(readings, library, seen)
    of_traits = check_seen_traits(readings, library, seen) if seen else ()
    problems = in_order((*workspace.problems, *of_names, *of_types, *of_facts, *of_traits))
    document = {"problems": [problem.as_document() for problem in problems]}
    say(report(problems), document)
    leave(1 if has_errors(problems) else 0)


def _look_around(readings: Sequence[Reading], library: Library) -> Seen | None:
    """What the database has met, if there is one and it can be asked; nothing is made for it."""
    folder = options().workspace
    embedded = embedded_url(folder)
    url = options().database or os.environ.get("REKINDLE_DATABASE_URL") or embedded
    if url == embedded and not Path(embedded.removeprefix("sqlite:///")).exists():
        return None
    try:
        with closing(Store(url)) as store, store.read() as connection:
            names = load_event_names(connection)
            starting = events_of_starts(library, sorted(names))
            latest = {name: load_latest_properties(connection, name) for name in starting}
            compared = {one.trait for one in comparisons_in(readings)}
            values = {name: load_latest_values(connection, name) for name in compared}
            return Seen(names, load_trait_names(connection), latest, values)
    except (StoreUnavailable, DBAPIError):  # `db check` tells of those; here only names are asked
        return None


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=", ".join(KINDS))],
) -> None:
    """Print the JSON Schema of one kind of file, for editors."""
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS)
        raise WrongUse(f"there is no schema of {kind!r}; the kinds are {', '.join(KINDS)}. {hint}")
    print(as_json(schema_of(kind)))


def report(problems: tuple[Problem, ...]) -> str:
    """All problems as text, and how many."""
    errors = sum(problem.level == "error" for problem in problems)
    warnings = len(problems) - errors
    found = [
        counted(count, word)
        for count, word in ((errors, "problem"), (warnings, "warning"))
        if count
    ]
    summary = f"{' and '.join(found)}." if found else "All is in order."
    return "\n\n".join((*map(str, problems), summary))
