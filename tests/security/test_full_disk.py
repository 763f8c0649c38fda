"""Attacks by a disk that is full, or may not be written: all is told, and nothing is half done."""

import json
import os
import resource
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient

from rekindle.cli.app import main
from rekindle.disks import LEAST_BYTES, Room, find_tight, try_writing, why_unwritable
from rekindle.errors import CannotWrite, StoreUnwritable
from rekindle.private_files import write_result
from rekindle.state import state_folder
from store import session
from store.alarms import DISK, REMEDIES
from store.faults import refusal_of
from store.session import Store
from tests.conftest import ROOT
from tests.shop import Shop
from web.app import create_app
from workers import watching
from workers.doctor import examine

ROW = text("INSERT INTO used_tokens (digest, used_at) VALUES (:name, 0)")
ENOUGH = 10 * LEAST_BYTES


@contextmanager
def largest_file(bytes_: int) -> Iterator[None]:
    """No file of this process may grow beyond: what a full disk is, wherever tests may run."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# --- the database


@pytest.fixture
def shop(tmp_path: Path, sqlite_url: str, now) -> Iterator[Shop]:
    folder = tmp_path / "ws"
    folder.mkdir()
    opened = Shop(folder, sqlite_url, now)
    yield opened
    opened.close()


def fill_up(store: Store) -> None:
    """Write until nothing more is taken."""
    size = store.files[0].stat().st_size
    with largest_file(size + 200_000):
        for _ in range(20):
            try:
                with store.begin() as tx:
                    tx.execute(ROW, {"name": f"{uuid4()}{'x' * 100_000}"})
            except StoreUnwritable:
                return
    pytest.fail("all of it was taken")


def test_it_is_an_alarm_in_the_log_for_readiness_and_for_doctor(shop, monkeypatch, capsys):
    shop.services.announce("a test")
    client = TestClient(create_app(shop.services), base_url="http://127.0.0.1:8000")
    before = client.get("/readyz")

    fill_up(shop.services.store)
    during, findings = client.get("/readyz"), examine(shop.services, shop.clock.now())
    monkeypatch.setattr(session, "FAULT_SECONDS", -1.0)  # it is over
    after = client.get("/readyz")

    log = capsys.readouterr()
    assert (before.status_code, during.status_code, after.status_code) == (200, 503, 200)
    assert during.text == f"not ready: {DISK}: the database cannot be written\n"
    assert [finding.remedy for finding in findings] == [REMEDIES[DISK]]
    assert (log.out + log.err).count("alarm.raised") == 1
    assert REMEDIES[DISK] in log.out + log.err
    assert examine(shop.services, shop.clock.now()) == []


@pytest.mark.parametrize(("is_watched", "times"), [(True, 1), (False, 0)])
def test_one_failure_after_another_is_said_once(shop: Shop, capsys, is_watched: bool, times: int):
    """A command that ends says it in its own sentence."""
    shop.services.store.is_watched = is_watched
    for _ in range(3):
        fill_up(shop.services.store)

    log = capsys.readouterr()
    assert (log.out + log.err).count("alarm.raised") == times


@pytest.mark.parametrize("state", ["53100", "53200", "58030", "25006"])
def test_a_server_that_cannot_store_is_known_by_its_code(postgres_url: str, state: str):
    store = Store(postgres_url)
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'could not extend' USING ERRCODE = '{state}'; END $$"

    with pytest.raises(StoreUnwritable, match="could not extend"), store.begin() as tx:
        tx.exec_driver_sql(raising)

    assert "could not extend" in store.fault
    store.close()


@pytest.mark.parametrize("url", ["sqlite_url", "postgres_url"])
def test_trying_leaves_nothing_behind(url: str, request: pytest.FixtureRequest):
    store = Store(request.getfixturevalue(url))

    store.try_writing()

    with store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM alarms")).scalar_one() == 0
    store.close()


def test_a_database_that_may_only_be_read_is_found_by_trying(sqlite_url: str):
    store = Store(sqlite_url)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=1")  # stays with the only writing connection

    with pytest.raises(StoreUnwritable, match="cannot be written"):
        store.try_writing()
    store.close()


def test_a_database_that_another_process_holds_is_a_sentence(sqlite_url: str):
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    holder, other = (sqlite3.connect(file, timeout=0, isolation_level=None) for _ in range(2))
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(sqlite3.OperationalError) as busy:
        other.execute("BEGIN IMMEDIATE")

    refusal = refusal_of(DBAPIError("", None, busy.value), file)
    assert str(refusal).startswith(f"the database {file} is busy: another process has been writing")
    holder.close()
    other.close()


# --- before it is too late

ROOMY = Room(Path("/x"), 1, ENOUGH, 100 * ENOUGH, 10**6, 10**7)


@pytest.mark.parametrize(
    ("room", "is_tight"),
    [
        (ROOMY, False),
        (replace(ROOMY, free_bytes=LEAST_BYTES - 1), True),
        (replace(ROOMY, free_bytes=2_000_000, all_bytes=20_000_000), False),  # small, not full
        (replace(ROOMY, free_bytes=900_000, all_bytes=20_000_000), True),
        (replace(ROOMY, free_files=10), True),
        (replace(ROOMY, free_files=None, all_files=0), False),  # as on btrfs
    ],
)
def test_what_is_little_depends_on_the_disk(room: Room, is_tight: bool):
    assert room.is_tight is is_tight


def test_a_disk_that_fills_up_is_told_with_its_folder(tmp_path: Path, monkeypatch):
    assert find_tight([tmp_path, tmp_path / "not/there"]) == []
    monkeypatch.setattr("rekindle.disks.LEAST_BYTES", 2**80)
    monkeypatch.setattr("rekindle.disks.LEAST_SHARE", 1.1)

    [room] = find_tight([tmp_path, tmp_path / "not/there"])

    assert room.in_words().startswith(f"the disk of {tmp_path}") or "not/there" in room.in_words()


def test_a_disk_that_fills_up_does_not_turn_senders_away(shop: Shop, monkeypatch):
    state_folder(shop.folder)
    monkeypatch.setattr("rekindle.disks.LEAST_BYTES", 2**80)
    monkeypatch.setattr("rekindle.disks.LEAST_SHARE", 1.1)
    client = TestClient(create_app(shop.services), base_url="http://127.0.0.1:8000")

    told = client.get("/readyz")

    assert told.status_code == 200
    assert "disk nearly full: the disk of " in told.text
    assert watching.tell_disks(shop.services).keys() <= {*map(str, shop.services.written_folders)}


# --- the files that commands write

OVER = "it would be larger than a file may be"
EVENTS = "customer_id,ts,channel\n" + "".join(
    f"c{n},2026-01-{n % 28 + 1:02},web\n" for n in range(99)
)


@pytest.fixture
def workspace(tmp_path: Path, capsys) -> Path:
    folder = tmp_path / "shop"
    assert main(["init", str(folder)]) == 0
    assert main(["db", "upgrade", "--workspace", str(folder)]) == 0
    capsys.readouterr()
    return folder


def to_init(tmp_path: Path) -> tuple[list[str], str, int]:
    return ["init", str(tmp_path / "new/shop")], "new/shop/", 3_000


def to_demo(tmp_path: Path) -> tuple[list[str], str, int]:
    return (
        ["demo", "--no-serve", "--customers", "1", "--workspace", str(tmp_path / "demo")],
        "demo/",
        3_000,
    )


def to_score(tmp_path: Path) -> tuple[list[str], str, int]:
    (tmp_path / "log.csv").write_text(EVENTS)
    out = tmp_path / "scores.csv"
    out.write_text("as it was")
    how = ["--events", str(tmp_path / "log.csv"), "--as-of", "2026-02-01", "--out", str(out)]
    return ["drift", *how], "scores.csv", 100


def to_make_a_key(tmp_path: Path) -> tuple[list[str], str, int]:
    (tmp_path / "keyless").mkdir()
    return ["keys", "rotate-secret", "--workspace", str(tmp_path / "keyless")], "secret.key", 10


def to_note_rejects(tmp_path: Path) -> tuple[list[str], str, int]:
    file = tmp_path / "events.csv"
    row = f"ana,order.completed,never,{'x' * 5_000}\n"
    file.write_text("customer_id,event,occurred_at,note\n" + row * 100)
    return ["import", str(file), "--workspace", str(tmp_path / "shop")], "rejects.jsonl", 300_000


Arrange = Callable[[Path], tuple[list[str], str, int]]
WRITING: list[Arrange] = [to_init, to_demo, to_score, to_make_a_key, to_note_rejects]


@pytest.mark.parametrize("arrange", WRITING)
def test_a_file_that_does_not_fit_is_named_and_not_left_half_written(
    workspace: Path, tmp_path: Path, capsys, arrange: Arrange
):
    words, named, limit = arrange(tmp_path)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}

    with largest_file(limit):
        code = main(words)

    said = capsys.readouterr().err
    assert code == 1, said
    assert OVER in said
    assert named in said.split(" cannot be written")[0]
    left = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    kept = {"generated-demo", ".gitignore", "secret.key", "events.csv.rejects.jsonl"}
    assert {path.name for path in left if "rekindle.db" not in path.name} <= kept  # and go on there
    if named == "scores.csv":
        assert (tmp_path / named).read_text() == "as it was"
    if arrange is not to_demo:  # which plays for seconds
        assert main(words) in (0, 1), capsys.readouterr().err  # 1: the rows are as bad as before
        assert "should not happen" not in capsys.readouterr().err


def test_a_plan_that_does_not_fit_leaves_the_one_before(tmp_path: Path):
    file = tmp_path / "plan.json"
    file.write_text("as it was")

    with largest_file(1_000), pytest.raises(CannotWrite, match=r"plan\.json cannot be written"):
        write_result(file, "x" * 2_000)

    assert file.read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_what_is_no_file_is_written_as_it_comes(tmp_path: Path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")

    write_result(tmp_path / "link.json", "new")
    write_result(Path(os.devnull), "lost")

    assert (tmp_path / "real.json").read_text() == "new"
    assert (tmp_path / "link.json").is_symlink()
    assert not Path(os.devnull).is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [["schema", "journey"], ["check", "--json"], ["--help"]])
def test_output_that_goes_to_a_full_disk_is_a_sentence(workspace: Path, words: list[str]):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rekindle", *words, "--workspace", str(workspace)],
            check=False, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, text=True,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == (
        "rekindle: what was printed cannot be written: no room is left on its disk. "
        "Free some of it.\n"
    )


# --- what else operators meet


def test_a_database_of_somebody_else_is_told_with_its_owner(tmp_path: Path, monkeypatch):
    file = tmp_path / "rekindle.db"
    file.touch()
    monkeypatch.setattr("rekindle.disks.os.access", lambda path, _mode: path != file)
    monkeypatch.setattr("rekindle.disks.os.geteuid", lambda: 12345)

    said = why_unwritable(file)

    assert said.startswith(f"The user 12345 may not write {file}. {file} is ")
    assert said.endswith("'s: run it as that user, or have it given to this one.")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    assert why_unwritable(tmp_path / "no/x.db") == f"There is no folder {tmp_path / 'no'}."
    assert why_unwritable(tmp_path) == f"{tmp_path} is a folder: name a file in it."


def test_a_file_system_that_is_read_only_is_named(tmp_path: Path, monkeypatch):
    found = os.statvfs(tmp_path)
    flags = SimpleNamespace(f_flag=found.f_flag | os.ST_RDONLY)
    monkeypatch.setattr("rekindle.disks.os.statvfs", lambda _path: flags)

    assert "is read-only. Mount it" in why_unwritable(tmp_path / "x.db")


def test_a_workspace_may_be_called_anything(tmp_path: Path, capsys):
    name = "Café Ô\nit's فروشگاه من"
    shop = ["--workspace", str(tmp_path / name)]
    assert main(["init", str(tmp_path / name)]) == 0
    told = capsys.readouterr().out

    codes = [main([*words, *shop]) for words in (["check"], ["keys", "add"], ["plan"], ["doctor"])]

    assert codes == [0, 0, 0, 0], capsys.readouterr()
    assert f"  cd {shlex.quote(str(tmp_path / name))}\n" in told


@pytest.mark.parametrize("words", [["export", "customers"], ["customer", "علی"]])
def test_letters_that_a_terminal_lacks_are_escaped(workspace, tmp_path, words: list[str]):
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,name\nعلی,علی 🙂\n", encoding="utf-8")
    assert main(["import", str(file), "--kind", "customers", "--workspace", str(workspace)]) == 0

    done = subprocess.run(
        [sys.executable, "-m", "rekindle", *words, "--workspace", str(workspace)],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"}, check=False, capture_output=True,
        cwd=ROOT,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, b"")
    if words[0] != "customer":
        json.loads(done.stdout)


@pytest.mark.parametrize("stream", ["stdout", "stdin"])
def test_a_stream_that_is_closed_disturbs_nobody(workspace: Path, stream: str):
    closed = {"stdout": ">&-", "stdin": "<&-"}[stream]
    command = (
        f"{shlex.quote(sys.executable)} -m rekindle keys list --workspace {workspace} {closed}"
    )

    done = subprocess.run(
        ["sh", "-c", command], env={**os.environ, "HOME": ""}, check=False, cwd=ROOT,
        stderr=subprocess.PIPE,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, b"")


# --- a real one, where we may mount it


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only who may mount a disk can try a full one")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    file = folder / "fill"
    with suppress(OSError), file.open("wb", buffering=0) as opened:
        while True:
            opened.write(b"x" * 4096)
    return file


def test_a_disk_that_is_full_is_told_by_doctor_and_nothing_is_lost(small_disk: Path, capsys):
    shop = ["--workspace", str(small_disk / "shop")]
    assert main(["init", str(small_disk / "shop")]) == 0
    customers = small_disk / "customers.csv"
    customers.write_text("customer_id\nana\n")
    assert main(["import", str(customers), "--kind", "customers", *shop]) == 0
    capsys.readouterr()
    filling = fill(small_disk)

    assert main(["doctor", "--json", *shop]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert main(["keys", "add", *shop]) == 1
    said = capsys.readouterr().err

    assert str(small_disk / "shop/.rekindle") in findings[0]["message"]
    assert "Free some" in findings[0]["message"]
    assert "Free some" in said
    assert try_writing(small_disk) is not None
    filling.unlink()
    assert main(["export", "customers", *shop]) == 0
    assert '"ana"' in capsys.readouterr().out
    assert main(["doctor", *shop]) == 0, capsys.readouterr().out
