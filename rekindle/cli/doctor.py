"""`rekindle doctor`: is all reachable and in time, is anyone stuck?"""

import os
import socket
from datetime import datetime
from typing import Annotated

import typer

from rekindle.cli.context import leave, say
from rekindle.cli.opening import open_here
from rekindle.disks import find_tight, try_writing
from rekindle.errors import CannotWrite, ProviderUnavailable, RekindleError, StoreUnavailable
from rekindle.parked import LATELY
from rekindle.private_files import is_open_to_others
from rekindle.services import Services
from rekindle.state import STATE_FOLDER
from store.parked import summarize_parked
from store.source_states import load_source_states
from workers.brokers import open_broker, require_answer
from workers.doctor import NAMED, Finding, examine
from workers.doctor import repair as free
from workers.sources import say_states

PATIENCE_SECONDS = 5


def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Free what is stuck, and try paused providers at once.")
    ] = False,
) -> None:
    """Whether database, broker and provider answer, all is in time and nobody is stuck; exit 1 if
    not.
    """
    found: list[Finding] = []
    notes: list[str] = []
    freed = 0
    try:
        with open_here() as services:
            now = services.clock.now()
            found += _unwritable(services)
            freed = free(services, now) if repair and not found else 0
            found += [*_reachability(services), *_open_files(services), *examine(services, now)]
            notes += [*_sources(services, now), *_parked(services, now)]
    except (StoreUnavailable, CannotWrite) as error:  # with it goes all that it could tell
        found.append(Finding("unreachable.database", 0, str(error)))
    document = {
        "findings": [
            {"kind": f.kind, "count": f.count, "message": f.said, "remedy": f.remedy} for f in found
        ],
        "notes": notes,
        "freed": freed,
    }
    lines = [f"Freed {freed}."] if repair else []
    for finding in found:
        lines += [finding.in_words(), *([f"    {finding.remedy}"] if finding.remedy else [])]
    lines = lines or ["All is reachable and in time, and nobody is stuck."]
    say("\n".join((*lines, *notes)), document)
    if found:
        leave(1)


def _unwritable(services: Services) -> list[Finding]:
    """Where nothing can be written; tried, in the database too."""
    full = {room.folder for room in find_tight(services.written_folders)}  # which is told as that
    tried = [try_writing(folder) for folder in services.written_folders if folder not in full]
    found = [Finding("unwritable.files", 0, said) for said in tried if said]
    try:
        services.store.try_writing()
    except StoreUnavailable as error:
        found.append(Finding("unwritable.database", 0, str(error)))
    return found


def _reachability(services: Services) -> list[Finding]:
    """The database was opened, and its schema with it, or we would not be here."""
    found = []
    url = os.environ.get("REKINDLE_BROKER_URL")
    try:
        require_answer(open_broker(url), url)
    except RekindleError as error:
        found.append(Finding("unreachable.broker", 0, str(error)))
    settings = services.settings
    if settings.provider == "smtp":
        try:
            _reach(settings.smtp.host, settings.smtp.port)
        except RekindleError as error:
            found.append(Finding("unreachable.provider", 0, str(error)))
    return found


def _open_files(services: Services) -> list[Finding]:
    """What others on this machine may read: opening the workspace closes what is ours to close."""
    state = services.workspace / STATE_FOLDER
    files = [state, *(state.iterdir() if state.is_dir() else ()), services.outbox]
    files += services.store.files
    named = sorted({str(file) for file in files if is_open_to_others(file)})
    if not named:
        return []
    shown = ", ".join(named[:NAMED]) + (", …" if len(named) > NAMED else "")
    said = f"of our files: others on this machine may read {shown}; 'chmod go=' closes that."
    return [Finding("files.open", len(named), said)]


def _sources(services: Services, now: datetime) -> list[str]:
    """Say how far the databases of others have been read."""
    with services.store.read() as connection:
        return say_states(load_source_states(connection), now)


def _parked(services: Services, now: datetime) -> list[str]:
    """Say what waits for an owner: nothing is wrong, but a person may settle it."""
    with services.store.read() as connection:
        found = summarize_parked(connection, now - LATELY)
    if not found:
        return []
    said = [waiting.in_words(LATELY.days) for waiting in found]
    return [*said, "    'rekindle parked' lists them and gives them an owner."]


def _reach(host: str, port: int) -> None:
    """Raises ProviderUnavailable unless something listens there."""
    try:
        socket.create_connection((host, port), PATIENCE_SECONDS).close()
    except OSError as error:
        raise ProviderUnavailable(f"the mail server at {host}:{port} does not answer.") from error
