"""A SQLite file is not migrated unasked under an older version that works with it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rekindle.cli.app import main
from rekindle.clock import wall_now
from rekindle.migrating import downgrade
from rekindle.presence import Presence, find_running
from rekindle.revisions import current_revision, is_current
from store.leases import hold_lease
from store.session import Store

OLDER = "places_by_instant"
SERVER = """
import sys
from rekindle.presence import Presence
from store.session import Store
Presence(Store(sys.argv[1]), "rekindle up")
print("Listening", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def older(sqlite_url: str) -> Iterator[Store]:
    """A file that an older version made."""
    store = Store(sqlite_url)
    downgrade(store, OLDER)
    yield store
    store.close()


@pytest.fixture
def server(older: Store) -> Iterator[subprocess.Popen[str]]:
    """A process of that version."""
    command = [sys.executable, "-c", SERVER, address(older)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "Listening\n"
        yield running
        running.kill()


def address(store: Store) -> str:
    return store.url.render_as_string()


def export(store: Store, folder: Path) -> int:
    return main(["export", "events", "--workspace", str(folder), "--database", address(store)])


def test_a_command_leaves_a_file_as_it_is_while_an_older_version_works_with_it(
    older, server, tmp_path, capsys
):
    code = export(older, tmp_path)

    assert code == 1
    assert f"rekindle up 0.1.0 (process {server.pid})" in capsys.readouterr().err
    assert current_revision(older) == OLDER


def test_who_asks_for_it_migrates_the_file_all_the_same(older, server, tmp_path):
    code = main(["db", "upgrade", "--workspace", str(tmp_path), "--database", address(older)])

    assert code == 0
    assert is_current(older)
    assert export(older, tmp_path) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_once_that_process_is_gone_any_command_migrates_the_file(older, server, tmp_path, how):
    server.send_signal(how)
    server.wait()

    assert export(older, tmp_path) == 0
    assert is_current(older)
    assert find_running(older) == []


def test_a_version_that_says_nothing_of_itself_is_known_by_its_scheduler(older, tmp_path):
    wall = wall_now()
    with older.begin() as tx:
        hold_lease(tx, "scheduler", "here/1/1", wall, wall + timedelta(seconds=15))

    assert export(older, tmp_path) == 1


def test_a_process_that_stops_takes_its_file_along(older):
    presence = Presence(older, "rekindle web")
    seen = find_running(older)
    presence.close()

    assert len(seen) == 1
    assert find_running(older) == []


def test_with_postgresql_nothing_is_left_in_any_folder(postgres_url):
    store = Store(postgres_url)
    presence = Presence(store, "rekindle web")

    assert find_running(store) == []
    presence.close()
    store.close()
