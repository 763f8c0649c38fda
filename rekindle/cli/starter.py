"""A copy of the starter, the workspace that comes with Rekindle."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rekindle import ENGINE_ROOT
from rekindle.disks import writing

STARTER = ENGINE_ROOT / "starter"


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
