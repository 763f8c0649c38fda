"""Stores what a checked folder says as the versions that running processes use."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rekindle.errors import RekindleError
from rekindle.workspace.files import path_of
from rekindle.workspace.folder import Workspace, load_workspace
from rekindle.workspace.moving import find_homeless
from rekindle.workspace.problems import Problem, has_errors
from rekindle.workspace.settings_checks import masked_text
from store.definitions import Key, load_latest, lock_definitions, save_definitions
from store.session import Store

STORED = ("settings", "segment", "journey", "survey", "source", "template", "data")


class NotApplied(RekindleError):
    """The folder has problems, so nothing was stored; `problems` has all of them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        found = "\n".join(str(problem) for problem in problems)
        super().__init__(f"nothing was applied, because of these problems:\n{found}")


@dataclass(frozen=True)
class Change:
    """One file that became another version: `new`, `changed` or `retired`."""

    kind: str
    name: str
    change: str

    @property
    def path(self) -> str:
        return path_of(self.kind, self.name)


@dataclass(frozen=True)
class Applied:
    """What one apply stored, sorted by kind and name; nothing if all was as before."""

    changes: tuple[Change, ...] = ()


def apply_folder(
    store: Store, folder: Path, environment: Mapping[str, str], now: datetime
) -> Applied:
    """Store every file that differs from its newest version, and retire those that are gone.

    Raises NotApplied if the folder has errors and NotFound if there is none; nothing is stored.
    """
    workspace = load_workspace(folder, environment)
    if has_errors(workspace.problems):
        raise NotApplied(workspace.problems)
    texts = texts_of(workspace)
    with store.begin() as tx:
        lock_definitions(tx)
        if homeless := find_homeless(tx, workspace.readings):
            raise NotApplied(homeless)
        before = {key for key, one in load_latest(tx).items() if one.body is not None}
        gone: dict[Key, None] = dict.fromkeys(before - texts.keys())
        stored = save_definitions(tx, {**texts, **gone}, now)
    return Applied(tuple(Change(*key, _change(key, before, gone)) for key in stored))


def texts_of(workspace: Workspace) -> dict[Key, str]:
    """The text of each file as it may be stored: without secrets."""
    return {
        (one.file.kind, one.file.name): (
            masked_text(one.document) if one.file.kind == "settings" else one.file.text
        )
        for one in workspace.readings
        if one.file.kind in STORED
    }


def _change(key: Key, before: set[Key], gone: Mapping[Key, None]) -> str:
    if key in gone:
        return "retired"
    return "changed" if key in before else "new"
