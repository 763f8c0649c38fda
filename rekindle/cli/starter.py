"""`rekindle init`: a copy of the starter, the workspace that comes with Rekindle."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from rekindle import ENGINE_ROOT
from rekindle.cli.context import say
from rekindle.disks import writing
from rekindle.errors import WrongUse

STARTER = ENGINE_ROOT / "starter"


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
        f"  cd {shlex.quote(str(folder))}\n"
        "  rekindle check                                  is it all in order?\n"
        "  rekindle test                                   does it do what its tests say?\n"
        "  rekindle import customers.csv --kind customers  who they are\n"
        "  rekindle import events.csv                      what they did\n"
        "  rekindle up                                     run it, and open the dashboard",
        {"folder": str(folder), "files": [file.as_posix() for file in files]},
    )


def starter_files() -> list[Path]:
    """Return the files of the starter, each by its path within."""
    found = (path for path in sorted(STARTER.rglob("*")) if path.is_file())
    return [path.relative_to(STARTER) for path in found]


def copy_starter(folder: Path) -> list[Path]:
    """Make a workspace of `folder`: all of it, or nothing. Return the files, as `starter_files`.

    Raises CannotWrite, naming what could not be written, or WrongUse where it never could be.
    """
    files = starter_files()
    with _all_or_nothing() as made:
        for file in files:
            target = folder / file
            with writing(target):
                made += _make_folders(target.parent)
                made.append(target)
                target.write_bytes((STARTER / file).read_bytes())
    return files


def _make_folders(folder: Path) -> list[Path]:
    """Make `folder` with its parents; return those that were not there before."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


@contextmanager
def _all_or_nothing() -> Iterator[list[Path]]:
    """Take away what was made, should the rest of it fail."""
    made: list[Path] = []
    try:
        yield made
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):  # somebody else has put something there meanwhile
                path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        raise
