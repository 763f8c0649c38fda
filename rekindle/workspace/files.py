"""The files of a workspace: which there are, what each is for, and their text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from rekindle.errors import NotFound
from rekindle.workspace.problems import Place, Problem
from rekindle.workspace.unread import find_unread, find_unread_source, is_for_people, is_trace
from rekindle.workspace.yaml import decode

Kind = Literal[
    "settings", "segment", "journey", "survey", "template", "data", "import", "source", "test"
]
FOLDERS: dict[Kind, str] = {
    "segment": "segments",
    "journey": "journeys",
    "survey": "surveys",
    "template": "templates",
    "data": "data",
    "import": "imports",
    "source": "sources",
    "test": "tests",
}
ENDINGS: dict[Kind, tuple[str, ...]] = {"template": (".html.j2",), "data": (".yaml", ".csv")}
SETTINGS_NAME = "rekindle"
SETTINGS = f"{SETTINGS_NAME}.yaml"
OUTBOX = "outbox"
ELSEWHERE = (OUTBOX,)  # written by us, read by others
MOST_BYTES = 4_000_000
SQL = re.compile(r"^kind:\s*['\"]?sql\b", re.MULTILINE)
SNAKE = re.compile(r"[a-z][a-z0-9_]*\Z")
TEMPLATE = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)*(\.[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*)?\Z")


@dataclass(frozen=True)
class File:
    """One file as it was read: others call it `name`; `path` is relative to the workspace."""

    kind: Kind
    name: str
    path: str
    text: str


def path_of(kind: str, name: str) -> str:
    """Where in a workspace the file of this definition lies."""
    if kind == "settings":
        return SETTINGS
    ending = {"template": ".html.j2", "data": ""}.get(kind, ".yaml")
    folder = FOLDERS.get(cast(Kind, kind), f"{kind}s")  # of an older version, too
    return f"{folder}/{name}{ending}"


def load_files(folder: Path) -> tuple[tuple[File, ...], tuple[Problem, ...]]:
    """Every file that belongs to the workspace, and what keeps others from belonging.

    Raises NotFound if there is no such folder.
    """
    _require(folder)
    files: list[File] = []
    candidates = list(_candidates(folder))
    foreign = [path for path, kind in candidates if kind == "source" and not _is_sql(path)]
    read = [(path, kind) for path, kind in candidates if path not in foreign]
    folders = {*FOLDERS.values(), *ELSEWHERE}
    if foreign and not any(kind == "source" for _, kind in read):
        folders.remove(FOLDERS["source"])  # nothing in it is ours to read
        foreign = []
    problems: list[Problem] = [
        *find_unread(folder, folders, (SETTINGS,)),
        *(find_unread_source(path.relative_to(folder).as_posix()) for path in foreign),
        *_strays(folder),
    ]
    for path, kind in read:
        file, found = _load(folder, path, kind)
        problems += found
        if file is not None:
            files.append(file)
    return tuple(files), tuple(problems)


def _is_sql(path: Path) -> bool:
    """Whether a file of `sources/` says that it is of the kind that is read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as text:
            return SQL.search(text.read(MOST_BYTES)) is not None
    except OSError:
        return True  # which says why it cannot be read


def load_settings_file(folder: Path) -> File | None:
    """Return `rekindle.yaml` alone; None where there is none that can be read.

    Raises NotFound if there is no such folder.
    """
    _require(folder)
    path = folder / SETTINGS
    is_read = path.is_file() and not _is_stray(folder, path)
    return _load(folder, path, "settings")[0] if is_read else None


def _require(folder: Path) -> None:
    if not folder.is_dir():
        raise NotFound(f"there is no folder {str(folder)!r}.")


def _candidates(folder: Path) -> Iterator[tuple[Path, Kind]]:
    if (folder / SETTINGS).is_file() and not _is_stray(folder, folder / SETTINGS):
        yield folder / SETTINGS, "settings"
    for kind, name in FOLDERS.items():
        is_there = (folder / name).is_dir() and not _is_stray(folder, folder / name)
        found = (folder / name).rglob("*") if is_there else iter(())
        for path in sorted(found):
            is_read = path.is_file() and not _is_harmless(path.relative_to(folder))
            if is_read and not _is_stray(folder, path):
                yield path, kind


def _strays(folder: Path) -> Iterator[Problem]:
    """Name the symbolic links that lead out of the workspace, or to what nobody may read there: who
    may propose a change could have any file of the machine shown, or its secrets emailed.
    """
    tops = [folder / name for name in (SETTINGS, *FOLDERS.values(), *ELSEWHERE)]
    for path in (*tops, *(inner for top in tops if not top.is_symlink() for inner in _within(top))):
        if path.is_symlink() and (_is_stray(folder, path) or path == folder / OUTBOX):
            said = "this is a symbolic link to what does not belong to the workspace."
            hint = "Put a copy in its place."
            yield Problem(Place(path.relative_to(folder).as_posix()), said, hint)


def _within(top: Path) -> list[Path]:
    return sorted(top.rglob("*")) if top.is_dir() and top.name != OUTBOX else []


def _is_stray(folder: Path, path: Path) -> bool:
    """Whether the real path is out of the workspace, hidden in it, or an email that was sent."""
    try:
        inner = path.resolve().relative_to(folder.resolve())
    except (ValueError, OSError, RuntimeError):  # elsewhere, or links in a circle
        return True
    return _is_hidden(inner) or (path.name != OUTBOX and inner.parts[:1] == (OUTBOX,))


def _is_harmless(path: Path) -> bool:
    return _is_hidden(path) or is_trace(path.name) or is_for_people(path.name)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "~")) or part.endswith("~") for part in path.parts)


def _load(folder: Path, path: Path, kind: Kind) -> tuple[File | None, tuple[Problem, ...]]:
    shown = path.relative_to(folder).as_posix()
    if problem := _check_name(kind, shown):
        return None, (problem,)
    if path.stat().st_size > MOST_BYTES:
        said = f"this file is larger than {MOST_BYTES // 1_000_000} MB."
        return None, (Problem(Place(shown), said),)
    try:
        text, problems = decode(path.read_bytes(), shown)
    except OSError as error:
        return None, (Problem(Place(shown), f"this file cannot be read: {error.strerror}."),)
    return (None if problems else File(kind, _name_of(kind, shown), shown, text)), problems


def _name_of(kind: Kind, shown: str) -> str:
    inner = shown.removeprefix(f"{FOLDERS.get(kind, '')}/")
    if kind == "data":
        return inner  # keeps its ending, which says how to read it
    return inner.removesuffix(".html.j2").removesuffix(".yaml")


def _check_name(kind: Kind, shown: str) -> Problem | None:
    place = Place(shown)
    if kind == "settings":
        return None
    endings = ENDINGS.get(kind, (".yaml",))
    inner = shown.removeprefix(f"{FOLDERS[kind]}/")
    if not inner.endswith(endings):
        said = f"nothing reads this file: names in {FOLDERS[kind]}/ end in {' or '.join(endings)}."
        return Problem(place, said)
    name = next(inner.removesuffix(ending) for ending in endings if inner.endswith(ending))
    if kind == "template":
        if TEMPLATE.match(name):
            return None
        said = "a template is called like 'win_back/gift' or 'win_back/gift.fa' for a language."
        return Problem(place, said)
    if "/" in name:
        return Problem(place, f"nothing reads this file: {FOLDERS[kind]}/ has no folders inside.")
    if not SNAKE.match(name):
        said = "names of files have small letters, digits and '_' only."
        return Problem(place, said, _snake_hint(name))
    return None


def _snake_hint(name: str) -> str:
    snake = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return f"Did you mean {snake!r}?" if SNAKE.match(snake) else ""
