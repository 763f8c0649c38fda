"""Opens the database: SQLite with one writer per process, or PostgreSQL.

On SQLite every writer in this process takes turns on one connection (`BEGIN IMMEDIATE`); whatever
is submitted while a commit runs shares the next one. Readers have their own read-only connections
and never wait for the writer.
"""

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, insert, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from rekindle.clock import seconds_running
from rekindle.errors import StoreUnavailable, StoreUnwritable
from rekindle.logs import get_logger
from rekindle.private_files import make_private_file
from store.alarms import DISK, REMEDIES
from store.faults import BUSY_TIMEOUT_MS, first_failure, refusal_of
from store.tables import EPOCH, FOREVER, alarms, write_json
from store.turns import Turn

log = get_logger()

Work = Callable[[Connection], Any]
HOLDS_FUTURE = "holds_future"  # an option of its connections
CURRENT_TIME = select(func.clock_timestamp())
MOST_JOBS_A_COMMIT = 500
SQLITE_CACHE_KIB = 65_536
READER_CACHE_KIB = 8_192  # of each reader: there are many, and the machine caches the file as well
# a commit is on the disk before anybody is told of it: with less, a power cut takes back the last
# commits of a write-ahead log. One common commit for all who wait makes it cheap.
SYNCHRONOUS = "FULL"
PAGES_A_CHECKPOINT = 4_000  # steps write the same pages again and again: most are copied once
PROBE_BYTES = 64 * 1024
FAULT_SECONDS = 30.0  # after a write that failed for want of room; a later one may go by chance
STATEMENTS_KEPT = 1_000  # parsed by SQLite; a rule's statement takes longer to parse than to run


@dataclass(frozen=True)
class _Job:
    work: Work
    done: Future[Any]


class Store:
    """The one door to the database.

    `begin` is one transaction, committed at its end; `read` is a look without locks; `submit` runs
    a small write in a savepoint of the next common commit and resolves only once that commit is
    durable.
    """

    def __init__(self, url: str, *, is_scratch: bool = False) -> None:
        """`is_scratch`: nobody wants it back after a power cut."""
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        synchronous = "OFF" if is_scratch else SYNCHRONOUS
        self._writer = (
            _sqlite_engine(self.url, synchronous) if self.is_sqlite else _postgres_engine(self.url)
        )
        self._reader = _sqlite_engine(self.url, read_only=True) if self.is_sqlite else self._writer
        self._turn = Turn()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self.is_watched = False  # somebody reads the log of this process, which runs on and on
        self._opened: tuple[int, int] | None = None  # which file: its device and inode
        self._fault = ""
        self._failed_at = float("-inf")  # by `seconds_running`

    @property
    def fault(self) -> str:
        """Why nothing could be stored just now, in words; empty where that is not so.

        A small write may still go where a large one does not: so it lasts a while.
        """
        is_fresh = seconds_running() - self._failed_at < FAULT_SECONDS
        return self._fault if is_fresh else ""

    def hold_future(self) -> None:
        """Let it be known that rows are stored here before anybody may know of them."""
        for engine in (self._writer, self._reader):
            engine.update_execution_options(**{HOLDS_FUTURE: True})

    @property
    def files(self) -> list[Path]:
        """The files that hold it: on SQLite the database, its log and the log's index."""
        file = self._file
        return [Path(f"{file}{ending}") for ending in ("", "-wal", "-shm")] if file else []

    @property
    def engine(self) -> Engine:
        """The writing engine, for migrations."""
        return self._writer

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction. Raises StoreUnavailable if the database cannot be reached, and
        StoreUnwritable where it can be read alone.
        """
        if not self.is_sqlite:
            with self._writing(), self._writer.begin() as tx:
                yield tx
            return
        with self._turn, self._writing(), self._writer.begin() as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent look at what is committed. Raises StoreUnavailable."""
        with self._reaching(), self._reader.connect() as connection, connection.begin():
            yield connection

    def current_time(self) -> datetime:
        """What the clock of the database server says now. Raises StoreUnavailable."""
        with self.read() as connection:
            found: datetime = connection.execute(CURRENT_TIME).scalar_one()
        return found.astimezone(UTC)

    def submit(self, work: Work) -> Future[Any]:
        """Run `work` in a savepoint of the next common commit; the future resolves after that
        commit. Cancelled before its turn, the work is not done; later it is, and nobody hears.
        """
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._write_on, name="store-writer", daemon=True
                )
                self._thread.start()
        job = _Job(work, Future())
        self._jobs.put(job)
        return job.done

    def compact(self) -> bool:
        """Rewrite the database, so that nothing that was deleted is left in it.

        On SQLite also the write-ahead log; False where somebody's long look keeps that from being
        emptied. PostgreSQL frees the room, and overwrites it as it is used again.
        """
        if not self.is_sqlite:
            with self._writer.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.exec_driver_sql("VACUUM")
            return True
        with self._turn, self._writing(), closing(self._writer.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute("VACUUM")
            (is_busy, *_) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cursor.close()
        return not is_busy

    def close(self) -> None:
        """Finish what was submitted, then let go of every connection."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
        self._writer.dispose()
        self._reader.dispose()

    def try_writing(self) -> None:
        """Store something and take it back. Raises StoreUnavailable, StoreUnwritable."""
        letters = secrets.token_hex(PROBE_BYTES)  # by chance: a server packs what it can
        row = {"kind": DISK, "subject": "", "raised_at": EPOCH, "message": letters}
        with self._turn, self._reaching(), self._writer.connect() as connection:
            connection.execute(insert(alarms), [row])
            connection.rollback()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._reaching():
                yield
        except StoreUnwritable as error:
            if self.is_watched and not self.fault:
                log.error("alarm.raised", alarm=DISK, reason=str(error), remedy=REMEDIES[DISK])
            self._fault, self._failed_at = str(error), seconds_running()
            raise

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        self._require_same_file()
        try:
            yield
        except DBAPIError as error:
            if (refusal := refusal_of(error, self._file)) is None:
                raise
            raise refusal from error

    def _require_same_file(self) -> None:
        """Raises StoreUnavailable where the file was taken away, or another one put in its place,
        since we opened it: what we would write into it nobody would ever find.
        """
        if (file := self._file) is None:
            return
        try:
            found = file.stat()
        except OSError:  # SQLite makes it, or says why it cannot
            same = None
        else:
            same = (found.st_dev, found.st_ino)
        if self._opened is not None and same != self._opened:
            raise StoreUnavailable(
                f"the database {file} was removed or replaced while this process works with it. "
                "Nothing is stored until the process is started again."
            )
        self._opened = same

    @property
    def _file(self) -> Path | None:
        """The file of a SQLite database that is one."""
        name = self.url.database if self.is_sqlite else None
        is_file = name and name != ":memory:" and not name.startswith("file:")
        return Path(name) if name and is_file else None

    def _write_on(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs, is_last = self._queued_after(first)
            self._write_together(jobs)
            if is_last:
                return

    def _queued_after(self, first: _Job) -> tuple[list[_Job], bool]:
        jobs = [first]
        while len(jobs) < MOST_JOBS_A_COMMIT and not self._jobs.empty():
            job = self._jobs.get()
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _write_together(self, jobs: list[_Job]) -> None:
        wanted = [job for job in jobs if job.done.set_running_or_notify_cancel()]
        if not wanted:
            return
        outcomes: list[tuple[_Job, Any, Exception | None]] = []
        try:
            with self.begin() as tx:
                outcomes = [_in_savepoint(tx, job) for job in wanted]
        except BaseException as error:  # the common commit failed: nobody's work is durable
            for job in wanted:
                job.done.set_exception(error)
            return
        for job, result, problem in outcomes:
            job.done.set_exception(problem) if problem else job.done.set_result(result)


def sees_until(connection: Connection, now: datetime) -> datetime:
    """By when something must be known for live work to see it: all that is committed is seen,
    whatever the clock of whoever stored it. Only a simulation holds what is yet to become known.
    """
    return now if connection.get_execution_options().get(HOLDS_FUTURE) else FOREVER


def _in_savepoint(tx: Connection, job: _Job) -> tuple[_Job, Any, Exception | None]:
    try:
        with tx.begin_nested():
            return job, job.work(tx), None
    except Exception as error:  # one bad job never spoils the others in its commit
        if _is_rolled_back(tx):  # but here the database took back all of them
            raise first_failure(error) from error
        return job, None, error


def _is_rolled_back(tx: Connection) -> bool:
    """Whether SQLite has ended the transaction by itself, as it may on a full disk."""
    driver: Any = tx.connection.driver_connection
    return isinstance(driver, sqlite3.Connection) and not driver.in_transaction


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreUnavailable(f"{url!r} is not a database address.") from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreUnavailable(
            f"{parsed.get_backend_name()} is not supported; use sqlite or postgresql."
        )
    return parsed


def _postgres_engine(url: URL) -> Engine:
    try:
        engine = create_engine(
            url,
            pool_size=10,
            max_overflow=20,
            pool_pre_ping=True,
            json_serializer=write_json,
            hide_parameters=True,
        )
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreUnavailable(
            "PostgreSQL needs the extra 'postgres': pip install 'rekindle[postgres]'."
        ) from error

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # A rule's statement names many ways to find events, of which few are gone: their cost
        # alone would have PostgreSQL compile machine code for longer than the answer takes.
        connection.autocommit = True
        connection.execute("SET jit = off")
        connection.autocommit = False

    return engine


def _sqlite_engine(url: URL, synchronous: str = "OFF", *, read_only: bool = False) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=8 if read_only else 1,
        max_overflow=16 if read_only else 0,
        json_serializer=write_json,
        hide_parameters=True,
        connect_args={
            "timeout": BUSY_TIMEOUT_MS / 1000,
            "check_same_thread": False,
            "isolation_level": None,
            "cached_statements": STATEMENTS_KEPT,
        },
    )

    @event.listens_for(engine, "do_connect")
    def close_to_others(_dialect: Any, _record: Any, _words: Any, _options: Any) -> None:
        # SQLite makes a file by the umask, and its log and index as the file is
        if url.database and url.database != ":memory:" and not url.database.startswith("file:"):
            make_private_file(Path(url.database))

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.execute(f"PRAGMA wal_autocheckpoint={PAGES_A_CHECKPOINT}")
        cache_kib = READER_CACHE_KIB if read_only else SQLITE_CACHE_KIB
        cursor.execute(f"PRAGMA cache_size=-{cache_kib}")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        if read_only:
            cursor.execute("PRAGMA query_only=1")
        cursor.close()

    words = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    def begin(connection: Any) -> None:
        connection.execute(words)

    # in place of an event that runs it on SQLAlchemy's connection, which takes four times as long
    engine.dialect.do_begin = begin  # type: ignore[method-assign, assignment]  # of this one
    return engine
