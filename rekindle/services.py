"""Wires settings, database, clock, signer and the applied definitions together for one process."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from sqlalchemy import Connection

from rekindle.clock import Clock, DatabaseTime, FixedClock, Source, based_on, wall_now
from rekindle.errors import StoreUnavailable
from rekindle.lane import Lane
from rekindle.presence import Presence, find_running
from rekindle.revisions import current_revision, is_current, is_foreign, require_current
from rekindle.secret_keys import KeyRing
from rekindle.settings import Settings
from rekindle.state import OUTBOX, SECRET_KEY, STATE_FOLDER, embedded_url, state_folder
from rekindle.workspace.library import Library, library_from, read_library, read_settings
from store.definitions import load_applied, load_current, load_versions, newest_definition
from store.records import DefinitionId
from store.session import Store
from templates.links import Signer


class Wake(Protocol):
    """How a process tells its workers that there is something to do; losing a call costs time,
    never work.
    """

    def changed(self) -> None:
        """Rows of `pending_changes` were committed."""

    def everybody(self) -> None:
        """A segment was changed: it is evaluated for everybody."""

    def advance(self, ids: Sequence[int]) -> None:
        """These enrollments have become due."""

    def deliver(self, ids: Sequence[int]) -> None:
        """These messages have become due."""

    def has_work(self, lane: Lane) -> None:
        """Something has become due in this lane."""


class NoWake:
    """For commands that work off everything themselves, and for tests."""

    def changed(self) -> None: ...

    def everybody(self) -> None: ...

    def advance(self, ids: Sequence[int]) -> None: ...

    def deliver(self, ids: Sequence[int]) -> None: ...

    def has_work(self, lane: Lane) -> None: ...


@dataclass
class Services:
    """What every shell is given; opened once per process by `open_services`."""

    store: Store
    clock: Clock
    find_signer: Callable[[], Signer]  # a key may be replaced while a process runs
    workspace: Path
    environment: Mapping[str, str]
    wake: Wake = field(default_factory=NoWake)
    makes_up: bool = False  # looks now and then: what left no sooner for that leaves now
    is_rehearsal: bool = False  # on a scratch copy: effects are taken as done, and nothing leaves
    source: Source = wall_now  # of the time that the clock runs by
    as_of: datetime | None = None  # looking back: what was in force then; None: the newest version
    _library: Library | None = None
    _newest: DefinitionId | None = None  # the number under which `_library` was loaded
    _loading: threading.Lock = field(default_factory=threading.Lock)
    _presence: Presence | None = None

    @property
    def signer(self) -> Signer:
        """What signs and reads links at the moment; a piece of work asks once."""
        return self.find_signer()

    @property
    def outbox(self) -> Path:
        return self.workspace / OUTBOX

    @property
    def written_folders(self) -> list[Path]:
        """Where this process may write: state, emails of the outbox, and a database in a file."""
        folders = [self.workspace / STATE_FOLDER, self.outbox]
        folders += [file.parent for file in self.store.files[:1]]
        found = [folder.resolve() for folder in folders if folder.is_dir()]
        return list(dict.fromkeys(found))

    @property
    def settings(self) -> Settings:
        return self.library().settings

    def library(self, connection: Connection | None = None) -> Library:
        """Return what was applied; before the first apply, what the folder says.

        A piece of work asks once, on its own `connection` and after it has claimed its rows, and
        passes the answer down: asked twice, an apply may lie in between.
        """
        if connection is None:
            with self.store.read() as found:
                return self.library(found)
        newest = newest_definition(connection)
        with self._loading:
            if self._library is None or newest != self._newest:
                self._library, self._newest = self._load(connection, newest), newest
            return self._library

    def run_by(self, clock: Clock) -> None:
        """Take another clock, which runs by the same source."""
        self.clock = based_on(self.source, clock)

    def looking_back(self, at: datetime) -> "Services":
        """Return services whose now is `at`, with what was in force then."""
        return replace(self, clock=FixedClock(at), as_of=at, _library=None, _newest=None)

    def _load(self, connection: Connection, newest: DefinitionId | None) -> Library:
        if newest is None:
            return read_library(self.workspace, self.environment)
        if self.as_of is None:
            current = load_applied(connection, newest)
        else:
            current = load_current(connection, self.as_of)
        versions = load_versions(connection)
        own = read_settings(self.workspace, self.environment)
        return library_from(current, self.environment, own, journey_versions=versions)

    def announce(self, command: str) -> None:
        """Let newer versions know that this process works with the database until it is closed."""
        self._presence = self._presence or Presence(self.store, command)
        self.store.is_watched = True

    def close(self) -> None:
        if self._presence is not None:
            self._presence.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_services(
    workspace: Path,
    clock: Clock | None = None,
    *,
    database: str | None = None,
    environment: Mapping[str, str] | None = None,
    wake: Wake | None = None,
    is_scratch: bool = False,
) -> Services:
    """Open the database (migrating one that is a SQLite file) and make what a process needs.

    What `clock` takes from this machine's time it takes from the database server's where there is
    one. Without a clock, time stands still at this instant. `is_scratch`: a power cut may take all.

    Raises StoreUnavailable if the database cannot be reached or is not migrated, WrongUse without a
    secret key that is long enough.
    """
    environment = os.environ if environment is None else environment
    url = database or environment.get("REKINDLE_DATABASE_URL") or embedded_url(workspace)
    store = Store(url, is_scratch=is_scratch)
    _bring_up_to_date(store)
    source = wall_now if store.is_sqlite else DatabaseTime(store.current_time)
    clock = based_on(source, clock or FixedClock(source()))
    has_key = SECRET_KEY in environment
    keys = KeyRing(workspace / STATE_FOLDER if has_key else state_folder(workspace), environment)
    return Services(
        store, clock, keys.signer, workspace, environment, wake or NoWake(), source=source
    )


def _bring_up_to_date(store: Store) -> None:
    """A SQLite file is ours alone, whichever way it was named, unless others' tables are in it; it
    is not changed under an older version that works with it, unless somebody asks for that.
    """
    if not store.is_sqlite or is_foreign(store):
        require_current(store)
    elif not is_current(store):
        running = find_running(store) if current_revision(store) else []
        if running:
            raise StoreUnavailable(_in_use(running))
        from rekindle.migrating import upgrade  # Alembic imports slowly, and is rarely needed

        upgrade(store)


def _in_use(running: Sequence[str]) -> str:
    return (
        f"an older version works with this database: {', '.join(running)}. Stop it first, or let it"
        " run on beside the newer one: 'rekindle db upgrade'."
    )
