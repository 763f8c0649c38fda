"""Attacks on what was acknowledged: a full disk, a power cut, somebody who waits no longer."""

import asyncio
import errno
import os
import resource
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest
from sqlalchemy import text

from rekindle.cli.app import main
from rekindle.errors import StoreUnavailable
from store import session
from store.session import Store
from tests.conftest import ROOT

ROW = text("INSERT INTO used_tokens (digest, used_at) VALUES (:name, 0)")
FOUND = text("SELECT count(*) FROM used_tokens WHERE digest LIKE :name")
BIG = 300_000  # letters in one name


def write_as(name: str):
    return lambda tx: tx.execute(ROW, {"name": name}).rowcount


def count(store: Store, name: str) -> int:
    with store.read() as connection:
        return int(connection.execute(FOUND, {"name": name}).scalar_one())


@pytest.fixture
def held_back(store: Store):
    """The store's writer waits for a job until this is set; what is submitted waits behind it."""
    gate, is_held = threading.Event(), threading.Event()

    def wait(_tx):
        is_held.set()
        gate.wait(30)

    first = store.submit(wait)
    assert is_held.wait(30)
    yield gate
    gate.set()
    first.result(30)


def test_what_is_cancelled_before_its_turn_is_not_done_and_harms_nobody(store, held_back):
    waiting = [store.submit(write_as(f"n{number}")) for number in range(6)]
    for job in waiting[::2]:
        assert job.cancel()

    held_back.set()

    assert [job.result(30) for job in waiting[1::2]] == [1, 1, 1]
    assert store.submit(write_as("n later")).result(30) == 1
    assert count(store, "n%") == 4


def test_a_request_that_is_given_up_leaves_the_writer_alive(store, held_back):
    async def give_up() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.wrap_future(store.submit(write_as("given up")))

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    held_back.set()

    assert store.submit(write_as("next")).result(30) == 1
    assert count(store, "given up") == 0


def test_what_is_given_up_during_its_turn_is_done_and_harms_nobody(store: Store):
    begun, gate = threading.Event(), threading.Event()

    def work(tx):
        begun.set()
        gate.wait(30)
        return write_as("begun")(tx)

    job: Future[int] = store.submit(work)
    assert begun.wait(30)
    assert not job.cancel()
    gate.set()

    assert job.result(30) == 1
    assert store.submit(write_as("next")).result(30) == 1


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt(), MemoryError(), ValueError()])
def test_no_failure_of_a_job_kills_the_writer(store: Store, error: BaseException):
    def fail(_tx):
        raise error

    with pytest.raises(type(error)):
        store.submit(fail).result(30)

    assert store.submit(write_as("next")).result(30) == 1


def test_a_commit_is_on_the_disk_before_anybody_is_told(sqlite_url: str):
    asked = f"""
from store.session import Store
for pragma in ("synchronous", "journal_mode"):
    look = lambda tx: tx.exec_driver_sql(f"PRAGMA {{pragma}}").scalar()
    print(Store({sqlite_url!r}).submit(look).result())
"""

    said = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, text=True, capture_output=True, check=True
    )

    assert said.stdout.split() == ["2", "wal"]  # FULL: sqlite.org/pragma.html#pragma_synchronous


@pytest.fixture
def small_disk():
    """Files of this process may grow to 400 kB more than the database has now, and no further."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(file: str) -> None:
        bytes_now = max(os.path.getsize(file), 0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_now + 400_000, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def lift() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def fill(store: Store) -> tuple[list[str], list[str]]:
    """Submit until nothing is taken any more; return which were acknowledged and which refused."""
    taken: list[str] = []
    refused: list[str] = []
    for number in range(30):
        jobs = {
            f"{number}-{part}-{'x' * BIG * part}": None for part in range(3)
        }  # small and large ones in one commit
        pending = {name: store.submit(write_as(name)) for name in jobs}
        for name, job in pending.items():
            error = job.exception(30)
            assert error is None or isinstance(error, StoreUnavailable)
            (refused if error else taken).append(name)
    return taken, refused


@pytest.mark.parametrize("cache_kib", [session.SQLITE_CACHE_KIB, 8])
def test_a_full_disk_refuses_and_loses_nothing(sqlite_url: str, small_disk, monkeypatch, cache_kib):
    monkeypatch.setattr(session, "SQLITE_CACHE_KIB", cache_kib)  # 8: pages spill before the commit
    store = Store(sqlite_url)
    assert store.submit(write_as("before")).result(30) == 1
    small_disk(sqlite_url.removeprefix("sqlite:///"))

    taken, refused = fill(store)

    lift()
    assert refused
    assert store.submit(write_as("after")).result(30) == 1
    store.close()
    again = Store(sqlite_url)
    with again.read() as connection:
        stored = set(connection.execute(text("SELECT digest FROM used_tokens")).scalars())
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    again.close()
    assert {"before", "after", *taken} <= stored
    assert not stored & set(refused)


@pytest.mark.parametrize("is_replaced", [True, False])
def test_nothing_is_acknowledged_into_a_file_that_was_taken_away(
    sqlite_url: str, is_replaced: bool
):
    store = Store(sqlite_url)
    assert store.submit(write_as("before")).result(30) == 1
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    aside = file.rename(file.with_name("aside.db"))
    if is_replaced:
        file.write_bytes(aside.read_bytes())

    with pytest.raises(StoreUnavailable, match="was removed or replaced"):
        store.submit(write_as("lost")).result(30)
    with pytest.raises(StoreUnavailable, match="was removed or replaced"):
        count(store, "before")

    aside.rename(file)
    assert store.submit(write_as("after")).result(30) == 1
    store.close()


def test_a_full_disk_is_a_sentence_of_the_command_line(tmp_path: Path, capsys):
    assert main(["init", str(tmp_path / "shop")]) == 0
    shop = ["--workspace", str(tmp_path / "shop")]
    assert main(["db", "upgrade", *shop]) == 0
    capsys.readouterr()
    lines = [f"c{number},{'x' * 900}" for number in range(1_000)]
    file = tmp_path / "customers.csv"
    file.write_text("\n".join(["customer_id,note", *lines]))
    database = tmp_path / "shop/.rekindle/rekindle.db"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (database.stat().st_size + 200_000, before[1]))
    try:
        code = main(["import", str(file), "--kind", "customers", *shop])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    said = capsys.readouterr().err
    assert code == 1, said
    assert f"rekindle: the database {database} cannot be written: " in said
    assert "should not happen" not in said
    assert main(["import", str(file), "--kind", "customers", *shop]) == 0
    assert main(["export", "customers", *shop]) == 0
    assert capsys.readouterr().out.count('"c') >= 1_000


def test_what_no_file_can_tell_any_more_is_still_a_sentence(tmp_path, capsys, monkeypatch):
    def fail(*_words, **_options):
        raise OSError(errno.ENOSPC, "No space left on device", "outbox/7.eml")

    monkeypatch.setattr("rekindle.cli.app._run", fail)
    assert main(["check"]) == 1
    assert "outbox/7.eml cannot be written: no room is left on its disk" in capsys.readouterr().err

    def fail_oddly(_words):
        raise ZeroDivisionError

    monkeypatch.setattr("rekindle.cli.app._run", fail_oddly)
    monkeypatch.setattr("rekindle.cli.app.NamedTemporaryFile", fail)
    assert main(["check"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
