"""A scratch copy of the database: a SQLite file that is thrown away; the original is only read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, Table, delete, select, text, update

from store.session import Store
from store.tables import holds, leases, messages, metadata

A_CHUNK = 5_000  # rows fetched and written at once
LEFT_OUT = frozenset(
    # nothing decides by these; some hold what need not lie about twice
    {
        "access_keys", "alarms", "failing_steps", "hits", "holds", "imports", "leases",
        "mail_copies", "mail_editions", "mail_outlines", "rejects", "sessions", "stored_mails",
        "used_tokens", "users", "web_faults",
    }
)  # fmt: skip


@contextmanager
def scratch_copy(live: Store) -> Iterator[Store]:
    """Everything committed in `live` at one instant; gone when the context ends.

    Nobody waits for it: it reads one snapshot, as any reader does.
    """
    with empty_scratch() as scratch, one_snapshot(live) as connection:
        if live.is_sqlite:
            _copy_pages(connection, scratch)
        else:
            metadata.create_all(scratch.engine)
            _copy_rows(connection, scratch)
        _let_go_of_claims(scratch)
        yield scratch


@contextmanager
def one_snapshot(live: Store) -> Iterator[Connection]:
    """Everything committed in `live` at one instant, however long one looks at it."""
    with live.read() as connection:
        if not live.is_sqlite:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        yield connection


@contextmanager
def empty_scratch() -> Iterator[Store]:
    """A new SQLite file that only its owner can read, without tables."""
    with TemporaryDirectory(prefix="rekindle-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'scratch.db'}", is_scratch=True)
        try:
            yield store
        finally:
            store.close()


def _copy_pages(live: Connection, scratch: Store) -> None:
    """SQLite's own backup: page by page, of the snapshot that `live` looks at."""
    source: Any = live.connection.driver_connection
    with scratch.engine.connect() as connection:
        source.backup(connection.connection.driver_connection)


def _copy_rows(live: Connection, scratch: Store) -> None:
    for table in metadata.sorted_tables:
        if table.name not in LEFT_OUT:
            copy_table(live, scratch, table)


def copy_table(live: Connection, scratch: Store, table: Table) -> None:
    """All rows of one table, streamed."""
    rows = live.execution_options(stream_results=True, yield_per=A_CHUNK).execute(select(table))
    for chunk in rows.mappings().partitions(A_CHUNK):
        with scratch.begin() as tx:
            tx.execute(table.insert(), [dict(row) for row in chunk])


def _let_go_of_claims(scratch: Store) -> None:
    """What a live process holds is free here: a mail it has yet to hand over may still leave."""
    mine = messages.c.claimed_by.is_not(None) & messages.c.handed_over_at.is_(None)
    with scratch.begin() as tx:
        tx.execute(delete(leases))
        tx.execute(delete(holds))
        tx.execute(
            update(messages)
            .where(mine)
            .values(
                claimed_by=None,
                claimed_until=None,
                status="queued",
                due_at=messages.c.queued_at,
            )
        )
