"""What lies in a workspace and nothing reads: told, unless it is known to be for somebody else."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from rekindle.workspace.problems import Place, Problem, did_you_mean

# of editors, file managers, version control and merges
TRACES = re.compile(
    r"[.~#].*|.*[~#]|.*\.(swp|swo|tmp|bak|orig|rej)|Thumbs\.db|desktop\.ini|Icon\r?", re.IGNORECASE
)
# for people, wherever they lie
NOTES = re.compile(r"README(\..*)?|.*\.(md|rst|png|jpe?g|gif|svg|webp|ico)", re.IGNORECASE)
# for the programs that keep and deliver a repository
PAPERS = re.compile(
    r"(LICEN[CS]E|NOTICE|COPYING|CHANGELOG|CONTRIBUTING|SECURITY|AUTHORS|CODEOWNERS|Makefile|"
    r"Justfile|Procfile|Dockerfile|Containerfile)([.-].*)?|(docker-)?compose.*\.ya?ml|mkdocs\.ya?ml|"
    r".*\.(txt|pdf|log|sh|py|ps1|toml|ini|cfg|lock)|"
    r"package(-lock)?\.json|renovate\.json",
    re.IGNORECASE,
)
# what `rekindle import` takes, `export` writes and databases are
ROWS = re.compile(
    r".*\.(csv|tsv|jsonl?|ndjson|xlsx|ods|parquet|gz|zip|zst|eml|mbox|db|sqlite3?)(-wal|-shm)?",
    re.IGNORECASE,
)
NEIGHBOURS = frozenset(
    {"docs", "doc", "images", "img", "screenshots", "scripts", "bin", "deploy", "node_modules",
     "venv", "env", "__pycache__"}
)  # fmt: skip
HINTS = {
    "locales": "A template in another language lies beside it, as in 'gift.fa.html.j2'; the texts"
    " of a survey stand in its file.",
    "sources": "What a webhook needs to prove itself stands in rekindle.yaml, under 'sources'.",
    "layouts": "Did you mean 'templates/layouts'?",
}
FIRST_KEY = re.compile(r"(?:\s*(?:#[^\n]*)?\n)*(segment|journey|survey):")


def is_trace(name: str) -> bool:
    """Return whether an editor or a merge left a file of this name, or it is hidden."""
    return TRACES.fullmatch(name) is not None


def is_for_people(name: str) -> bool:
    """Return whether a file of this name is there for people, such as a README or a picture."""
    return NOTES.fullmatch(name) is not None


def find_unread(
    folder: Path, folders: Collection[str], files: Collection[str]
) -> Iterator[Problem]:
    """Warn of whatever at the top of a workspace nothing reads: it reads `folders` and `files`."""
    for path in sorted(folder.iterdir()):
        is_folder = path.is_dir()
        if path.name in (folders if is_folder else files) or _is_harmless(path.name, is_folder):
            continue
        hint = HINTS.get(path.name, "") if is_folder else _place_for(path, folders)
        hint = hint or did_you_mean(path.name.lower(), folders if is_folder else files)
        said = f"nothing reads this {'folder' if is_folder else 'file'}."
        yield Problem(Place(path.name), said, hint, "warning")


def find_unread_source(path: str) -> Problem:
    """Warn of a file in `sources/` that is not of the kind `sql`."""
    hint = f"{HINTS['sources']} A database has 'kind: sql'."
    return Problem(Place(path), "nothing reads this file.", hint, "warning")


def _is_harmless(name: str, is_folder: bool) -> bool:
    if is_folder:
        return is_trace(name) or name in NEIGHBOURS
    is_known = PAPERS.fullmatch(name) or ROWS.fullmatch(name)
    return is_trace(name) or is_for_people(name) or is_known is not None


def _place_for(path: Path, folders: Collection[str]) -> str:
    """Return where a file of this form belongs, as a hint; empty if nobody knows."""
    if path.name.endswith(".html.j2"):
        return f"Did you mean 'templates/{path.name}'?"
    if path.suffix not in (".yaml", ".yml"):
        return ""
    try:
        with path.open(encoding="utf-8") as text:
            found = FIRST_KEY.match(text.read(10_000))
    except (OSError, UnicodeError):
        return ""
    place = f"{found[1]}s" if found else ""
    return f"Did you mean '{place}/{path.stem}.yaml'?" if place in folders else ""
