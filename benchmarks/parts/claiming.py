"""The limits for journeys: the same steps claimed and advanced by hand, and by an ORM one by one.

A due row is claimed, takes two steps, and gets its next position and instant; each step leaves a
row in the log. Nothing is asked of anybody: what conditions, versions and reasons cost is what the
ratio shows.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy import orm

BATCH = 1_000
ROUNDS = 2  # times that each row is due, as the journey of ours
NOT_DUE = 1_000_000
SCHEMA = (
    "CREATE TABLE standing (id {id} PRIMARY KEY, customer_id BIGINT NOT NULL, version_id INT"
    " NOT NULL, step INT NOT NULL, due BIGINT, claimed INT NOT NULL)",
    "CREATE INDEX standing_due ON standing (due) WHERE claimed = 0",
    "CREATE TABLE log (id {serial}, standing_id BIGINT, step INT, at BIGINT)",
)
DUE = "SELECT id FROM standing WHERE claimed = 0 AND due <= {now} ORDER BY due LIMIT {batch}"
CLAIM = f"UPDATE standing SET claimed = 1 WHERE id IN ({DUE}{{skip}}) RETURNING id, step"


def measure_sqlite(folder: Path, waiting: int, due: int) -> float:
    """Steps in a second of this process."""
    file = _fresh_sqlite(folder, waiting, due)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA cache_size=-65536")
        began, steps = time.process_time(), 0
        for now in range(1, ROUNDS + 1):
            while taken := _advance_sqlite(database, now):
                steps += 2 * taken
        return steps / (time.process_time() - began)


def _fresh_sqlite(folder: Path, waiting: int, due: int) -> Path:
    file = folder / "claiming.db"
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
        for statement in SCHEMA:
            database.execute(statement.format(id="INTEGER", serial="INTEGER PRIMARY KEY"))
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO standing VALUES (?, ?, 1, 1, ?, 0)",
            (
                (n, n, NOT_DUE if n % (waiting // due) else -(n * 7919 % 1000))
                for n in range(waiting)
            ),
        )
        database.execute("COMMIT")
    return file


def _advance_sqlite(database: sqlite3.Connection, now: int) -> int:
    database.execute("BEGIN IMMEDIATE")
    claimed = database.execute(CLAIM.format(now=now, batch=BATCH, skip="")).fetchall()
    database.executemany(
        "UPDATE standing SET step = ?, due = ?, claimed = 0 WHERE id = ?",
        [(step + 2, now + 1, id_) for id_, step in claimed],
    )
    database.executemany(
        "INSERT INTO log (standing_id, step, at) VALUES (?, ?, ?)",
        [(id_, step + more, now) for id_, step in claimed for more in (0, 1)],
    )
    database.execute("COMMIT")
    return len(claimed)


def measure_postgresql(url: str, waiting: int, due: int) -> float:
    """Steps a second, claimed with SKIP LOCKED."""
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("DROP TABLE IF EXISTS standing, log")
        for statement in SCHEMA:
            database.execute(statement.format(id="BIGINT", serial="BIGSERIAL PRIMARY KEY"))
        database.execute(
            "INSERT INTO standing SELECT n, n, 1, 1,"
            f" CASE WHEN n % {waiting // due} = 0 THEN -(n * 7919 % 1000) ELSE {NOT_DUE} END, 0"
            f" FROM generate_series(1, {waiting}) n"
        )
        database.execute("VACUUM ANALYZE standing")
        began, steps = time.perf_counter(), 0
        for now in range(1, ROUNDS + 1):
            while taken := _advance_postgresql(database, now):
                steps += 2 * taken
        return steps / (time.perf_counter() - began)


def _advance_postgresql(database: "psycopg.Connection[tuple[int, int]]", now: int) -> int:
    skip = " FOR UPDATE SKIP LOCKED"
    with database.transaction():
        claimed = database.execute(CLAIM.format(now=now, batch=BATCH, skip=skip)).fetchall()
        ids, steps = [id_ for id_, _ in claimed], [step for _, step in claimed]
        database.execute(
            "UPDATE standing SET step = was.step + 2, due = %s, claimed = 0"
            " FROM unnest(%s::bigint[], %s::int[]) was(id, step) WHERE standing.id = was.id",
            (now + 1, ids, steps),
        )
        database.execute(
            "INSERT INTO log (standing_id, step, at) SELECT id, step + more, %s"
            " FROM unnest(%s::bigint[], %s::int[]) was(id, step), generate_series(0, 1) more",
            (now, ids, steps),
        )
    return len(claimed)


class Base(orm.DeclarativeBase):
    """What the ORM job maps."""


class Standing(Base):
    __tablename__ = "standing"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    customer_id: orm.Mapped[int]
    version_id: orm.Mapped[int]
    step: orm.Mapped[int]
    due: orm.Mapped[int]
    claimed: orm.Mapped[int]


class Logged(Base):
    __tablename__ = "log"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    standing_id: orm.Mapped[int]
    step: orm.Mapped[int]
    at: orm.Mapped[int]


def measure_orm(folder: Path, waiting: int, due: int) -> float:
    """Steps in a second of this process: each row is loaded, changed and committed by itself."""
    engine = sa.create_engine(f"sqlite:///{_fresh_sqlite(folder, waiting, due)}")
    sa.event.listen(engine, "connect", lambda one, _: one.execute("PRAGMA synchronous=FULL"))
    is_due = sa.select(Standing).where(Standing.claimed == 0, Standing.due <= 1)
    began, steps = time.process_time(), 0
    for _ in range(due):
        with orm.Session(engine) as session:
            one = session.scalars(is_due.order_by(Standing.due).limit(1)).one()
            session.add_all(
                Logged(standing_id=one.id, step=one.step + more, at=1) for more in (0, 1)
            )
            one.step, one.due = one.step + 2, NOT_DUE
            session.commit()
        steps += 2
    engine.dispose()
    return steps / (time.process_time() - began)
