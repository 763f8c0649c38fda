"""The mappings of `imports/`: those of the workspace, and those of the starter."""

from pathlib import Path

from adapters.files.definition import Import
from rekindle import ENGINE_ROOT
from rekindle.errors import NotFound, RekindleError
from rekindle.workspace.files import File, load_files
from rekindle.workspace.library import Reading, read_file

FOLDER = "imports"
READY = ENGINE_ROOT / "starter"


class BrokenMapping(RekindleError):
    """A mapping has problems; the text names each with its place."""


def load_mapping(workspace: Path, name: str) -> Import:
    """The mapping of this name. Raises NotFound, BrokenMapping."""
    files = _files(workspace)
    if name not in files:
        known = ", ".join(sorted(files))
        raise NotFound(f"there is no {FOLDER}/{name}.yaml; choose from {known}.")
    reading = _read(files[name])
    if reading.problems:
        found = "\n".join(str(problem) for problem in reading.problems)
        raise BrokenMapping(f"this file cannot be used:\n{found}")
    mapping: Import = reading.value
    return mapping


def load_mappings(workspace: Path) -> dict[str, Import]:
    """All mappings that can be read, by name."""
    readings = {name: _read(file) for name, file in sorted(_files(workspace).items())}
    return {name: found.value for name, found in readings.items() if not found.problems}


def _files(workspace: Path) -> dict[str, File]:
    """The ready ones, under those of the workspace."""
    found: dict[str, File] = {}
    for folder in (READY, workspace):
        if (folder / FOLDER).is_dir():
            files, _ = load_files(folder)
            found |= {file.name: file for file in files if file.kind == "import"}
    return found


def _read(file: File) -> Reading:
    return read_file(file, {})
