"""What the engine keeps in a workspace: database and secret key in its state folder, the outbox."""

from collections.abc import Iterable
from pathlib import Path

from rekindle.disks import writing
from rekindle.errors import WrongUse
from rekindle.private_files import make_private_folder, open_private, tighten

STATE_FOLDER = ".rekindle"
OUTBOX = "outbox"
SECRET_KEY_FILE = "secret.key"
SECRET_KEY = "REKINDLE_SECRET_KEY"


def embedded_url(workspace: Path) -> str:
    """The default database: one SQLite file in the workspace's state folder."""
    return f"sqlite:///{workspace.resolve() / STATE_FOLDER / 'rekindle.db'}"


def state_folder(workspace: Path) -> Path:
    """Where the engine keeps what must not be committed: database, key. Made on first use, and
    closed to others with all that is in it; so is the outbox.
    """
    folder = workspace / STATE_FOLDER
    _refuse_strays(workspace, [folder])
    with writing(folder):
        make_private_folder(folder)
        kept = list(folder.iterdir())
    _refuse_strays(workspace, [path for path in kept if path.name != SECRET_KEY_FILE])
    tighten([folder, *kept, workspace / OUTBOX])
    ignore = folder / ".gitignore"
    if not ignore.exists():
        with writing(ignore), open(ignore, "w", encoding="utf-8", opener=open_private) as opened:
            opened.write("*\n")
    return folder


def _refuse_strays(workspace: Path, paths: Iterable[Path]) -> None:
    """Raises WrongUse for a symbolic link out of the workspace: whoever may propose a change to
    that shall not have us write somewhere else. A secret key is only read, and may be linked.
    """
    for path in paths:
        if path.is_symlink() and not _is_within(workspace, path):
            raise WrongUse(
                f"{path} is a symbolic link to what does not belong to the workspace. Put a folder "
                "or file in its place; a database elsewhere is named by REKINDLE_DATABASE_URL, and "
                f"a secret key comes from {SECRET_KEY}."
            )


def _is_within(workspace: Path, path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(workspace.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False
