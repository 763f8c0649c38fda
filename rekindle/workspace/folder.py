"""Reads a workspace's folder: its library, and everything wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rekindle.workspace.check import check_workspace
from rekindle.workspace.files import File, load_files
from rekindle.workspace.library import Library, Reading, library_of, read_file
from rekindle.workspace.problems import Problem, in_order


@dataclass(frozen=True)
class Workspace:
    """A folder as it was read once: its files, what they say together, and what is wrong."""

    readings: tuple[Reading, ...]
    library: Library
    problems: tuple[Problem, ...]


def load_workspace(folder: Path, environment: Mapping[str, str]) -> Workspace:
    """Read and check every file of the folder. Raises NotFound if there is none."""
    files, misplaced = load_files(folder)
    readings = tuple(read_file(file, environment) for file in files)
    library = library_of(readings)
    problems = in_order((*misplaced, *check_workspace(readings, library, environment)))
    return Workspace(readings, library, problems)


def check_version(
    folder: Path, environment: Mapping[str, str], version: File
) -> tuple[Problem, ...]:
    """The errors of a file put in place of its namesake in the folder.

    Where there is no folder beside the database, nobody can say what its names stand for.
    """
    files, _misplaced = load_files(folder)
    others = [one for one in files if (one.kind, one.name) != (version.kind, version.name)]
    reading = read_file(version, environment)
    if not others:
        return reading.problems
    readings = (*(read_file(one, environment) for one in others), reading)
    found = check_workspace(readings, library_of(readings), environment)
    return tuple(p for p in found if p.place.file == version.path and p.level == "error")


def read_folder(path: Path, environment: Mapping[str, str]) -> tuple[Library, tuple[Problem, ...]]:
    """The library of all files that could be read, and every problem. Raises NotFound."""
    workspace = load_workspace(path, environment)
    return workspace.library, workspace.problems
