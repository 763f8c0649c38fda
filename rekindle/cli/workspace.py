"""`rekindle check`: is the marketers' folder in order?"""

import os
from collections.abc import Sequence

from rekindle.cli.context import leave, options, say
from rekindle.counting import counted
from rekindle.state import embedded_url
from rekindle.workspace.fact_checks import check_seen_facts, check_seen_traits
from rekindle.workspace.folder import load_workspace
from rekindle.workspace.library import Library, Reading
from rekindle.workspace.problems import Problem, has_errors, in_order
from rekindle.workspace.seen import Seen, check_seen, check_types_seen
from rekindle.workspace.source_checks import check_sources_seen


def check() -> None:
    """Read every file of the workspace and report all problems at once."""
    workspace = load_workspace(options().workspace, os.environ)
    readings, library = workspace.readings, workspace.library
    seen = _look_around(readings, library)
    of_names = check_seen(readings, seen) if seen else ()
    of_types = check_types_seen(readings, seen) if seen else ()
    of_facts = check_seen_facts(readings, library, seen)
    of_traits = check_seen_traits(readings, library, seen) if seen else ()
    of_sources = check_sources_seen(readings, library.settings, os.environ)
    problems = in_order(
        (*workspace.problems, *of_names, *of_types, *of_facts, *of_traits, *of_sources)
    )
    document = {"problems": [problem.as_document() for problem in problems]}
    say(report(problems), document, document["problems"])
    leave(1 if has_errors(problems) else 0)


def _look_around(readings: Sequence[Reading], library: Library) -> Seen | None:
    """What the database has met, if there is one and it can be asked; nothing is made for it."""
    folder = options().workspace
    embedded = embedded_url(folder)
    url = options().database or os.environ.get("REKINDLE_DATABASE_URL") or embedded
    if url == embedded and not os.path.exists(embedded.removeprefix("sqlite:///")):
        return None  # also where we may not look: that asks nobody of the files
    from rekindle.cli.seen_here import look_into  # a workspace alone needs no database

    return look_into(url, readings, library)


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
