"""`plan` and `apply`: what a change would do, in people; then doing it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from rekindle.cli.context import as_json, leave, say
from rekindle.cli.opening import open_here
from rekindle.cli.plan_text import as_markdown, as_text, limits_sentence
from rekindle.cli.workspace import report
from rekindle.counting import counted
from rekindle.errors import NotFound, WrongUse
from rekindle.private_files import write_result
from rekindle.rehearsal.consequences import Plan, as_document
from rekindle.rehearsal.plan import make_plan
from rekindle.rehearsal.world import World
from rekindle.services import Services
from rekindle.workspace.applying import NotApplied, apply_folder
from rekindle.workspace.problems import Problem

FORMAT = 1
MOVED = {
    "definitions": "something else was applied",
    "folder": "the folder was changed",
    "people": "other people are concerned",
}


def plan(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Keep the plan for 'apply FILE'.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Tables for a pull request.")
    ] = False,
) -> None:
    """Say what applying the folder would change, counted in people; nothing is changed."""
    with open_here() as services:
        made = _make(services)
    if out is not None:
        _keep(made, out)
    say(as_markdown(made) if markdown else as_text(made), as_document(made))
    leave(0 if made.is_within() else 1)


def apply(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A plan to carry out.")
    ] = None,
    allow: Annotated[
        int,
        typer.Option("--allow", min=0, metavar="N", help="Lift every limit up to N people."),
    ] = 0,
) -> None:
    """Store what changed in the workspace as new versions; running processes use them at once."""
    kept = _read(file) if file is not None else None
    with open_here() as services:
        made = _make(services)
        if kept is not None and (moved := _moved(kept, made)):
            _refuse(made, f"the world moved since {file}: {moved}. Plan again.", allow)
        if not made.is_within(allow):
            _refuse(made, limits_sentence(made, allow), allow)
        apply_folder(services.store, services.workspace, services.environment, services.clock.now())
    say(as_text(made, allow=allow), as_document(made, allow=allow))


def _make(services: Services) -> Plan:
    try:
        return make_plan(services)
    except NotApplied as refused:
        _refuse_folder(refused.problems)


def _refuse_folder(problems: tuple[Problem, ...]) -> NoReturn:
    document = {"problems": [problem.as_document() for problem in problems]}
    say(f"{report(problems)}\nNothing was applied.", document)
    leave(1)


def _refuse(made: Plan, because: str, allow: int) -> NoReturn:
    document = {**as_document(made, allow=allow), "refused": because}
    said = as_text(made, allow=allow)
    if because not in said:  # that limits forbid it stands there
        said = f"{said}\n\n{because}"
    say(f"{said}\nNothing was applied.", document)
    leave(1)


@dataclass(frozen=True)
class Kept:
    """What a file of `plan --out` says."""

    world: World
    mails_24h: int


def _keep(made: Plan, file: Path) -> None:
    document = {
        "format": FORMAT,
        "at": made.at,
        "world": made.world.as_document(),
        "plan": as_document(made),
    }
    write_result(file, as_json(document) + "\n")


def _read(file: Path) -> Kept:
    """Raises NotFound if there is no such file and WrongUse if it is no plan."""
    try:
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if kept["format"] != FORMAT:
            raise WrongUse(f"{file} is a plan of another version of Rekindle. Plan again.")
        return Kept(World(**kept["world"]), int(kept["plan"]["mails_24h"]))
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise WrongUse(
            f"{file} is not a plan; make one with 'rekindle plan --out FILE'."
        ) from error


def _moved(kept: Kept, made: Plan) -> str:
    """In words what moved since; never more emails than were planned."""
    said = [MOVED[part] for part in made.world.moved_since(kept.world)]
    if made.mails_24h > kept.mails_24h:
        said.append(f"{counted(made.mails_24h, 'email')} instead of {kept.mails_24h:,}")
    return ", ".join(said)
