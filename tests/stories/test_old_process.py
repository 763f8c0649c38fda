"""A process of an older version runs on beside a database that a newer one has migrated."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from rekindle.migrating import upgrade
from rekindle.revisions import is_current
from store.session import Store
from tests.servers import fresh_postgres_database
from tests.shop import ROOT, Shop
from tests.stories.old_life import MONDAY
from workers.doctor import examine

OLD = "02ca8582a19b"  # the last commit of 0.1.0 with the revision `failing_steps`
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of that commit."""
    archive = subprocess.run(["git", "archive", OLD], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"no commit {OLD} in this checkout's history")
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that nobody has migrated."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.db'}"
        return
    server: URL = request.getfixturevalue("postgres_server")
    with fresh_postgres_database(server, f"rekindle_old_{os.getpid()}") as url:
        yield url.render_as_string(hide_password=False)


@pytest.mark.deep
def test_an_old_process_works_on_beside_a_migrated_database(checkout, empty_url, tmp_path):
    folder = tmp_path / "shop"
    command = [sys.executable, str(ROOT / "tests/stories/old_life.py"), str(folder), empty_url]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=checkout, env=environment, stdin=pipe, stdout=pipe, text=True
    ) as old:
        assert old.stdout is not None
        assert old.stdout.readline() == "ready\n"
        migrate(empty_url)
        said, _ = old.communicate("\n", PATIENCE_SECONDS)
    seen = json.loads(said)

    assert set(seen["statuses"]) == {200}
    assert seen["findings"] == []
    assert seen["mails"] == {"ana": 3, "bea": 3, "cai": 2, "eve": 3, "fay": 1, "leads": 5}
    newer = Shop(folder, empty_url, MONDAY + timedelta(days=8))
    newer.run()
    newer.later(days=2)
    assert examine(newer.services, newer.clock.now()) == []
    assert len(newer.mails("fay")) == 3
    newer.close()


def migrate(url: str) -> None:
    store = Store(url)
    upgrade(store)
    assert is_current(store)
    store.close()
