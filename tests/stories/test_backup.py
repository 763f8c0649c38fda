"""The drill of docs/operate.md: back up a workspace at work, restore it elsewhere, and go on."""

import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from rekindle.cli.app import main
from store.exports import NOUNS, export_rows
from tests.servers import fresh_postgres_database
from tests.shop import LAYOUT, Shop

THANKS = """
journey: thanks
topic: service
start:
  - event: order.completed
steps:
  - send: thanks
  - wait: 3 days
  - send: thanks
"""
KEY = ".rekindle/secret.key"


@pytest.fixture
def shop(tmp_path: Path, database_url: str, now) -> Iterator[Shop]:
    """At work: somebody bought, was thanked and will be again."""
    opened = Shop(tmp_path / "shop", database_url, now, environment={})
    opened.write("journeys/thanks.yaml", THANKS)
    opened.write("templates/layouts/brand.html.j2", LAYOUT)
    opened.mail("thanks")
    opened.apply()
    opened.customer("ana")
    opened.happens("order.completed", "ana")
    opened.run()
    yield opened
    opened.close()


@pytest.fixture
def elsewhere(
    shop: Shop, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[str, Path]]:
    """A database restored from a backup that was taken while events came in, and its folder."""
    folder = tmp_path / "restored"
    if shop.services.store.is_sqlite:
        folder.mkdir()
        _back_up_sqlite(shop, folder / "rekindle.db")
        _bring(shop, folder)
        yield f"sqlite:///{folder / 'rekindle.db'}", folder
        return
    server: URL = request.getfixturevalue("postgres_server")
    for program in ("pg_dump", "psql"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    with fresh_postgres_database(server, f"{make_url(shop.url).database}_restored") as url:
        folder.mkdir()
        _back_up_postgres(shop, url, folder / "rekindle.sql")
        _bring(shop, folder)
        yield url.render_as_string(hide_password=False), folder


def test_what_was_backed_up_at_work_is_whole_elsewhere_and_goes_on(
    shop: Shop, elsewhere: tuple[str, Path]
):
    url, folder = elsewhere

    restored = Shop(folder, url, shop.clock.now(), environment={})

    assert main(["db", "check", "--workspace", str(folder), "--database", url]) == 0
    before, after = counts(shop), counts(restored)
    assert 1 <= after.pop("events") <= before.pop("events")
    assert {**after, "customers": 0} == {**before, "customers": 0}
    assert (folder / KEY).read_text() == (shop.folder / KEY).read_text()
    assert restored.later(days=3).sent == 1
    restored.close()


def counts(shop: Shop) -> dict[str, int]:
    with shop.services.store.read() as connection:
        return {noun: len(list(export_rows(connection, noun, shop.clock.now()))) for noun in NOUNS}


def _back_up_sqlite(shop: Shop, file: Path) -> None:
    source = make_url(shop.url).database
    assert source is not None
    with _events_coming_in(shop):
        if shutil.which("sqlite3"):
            subprocess.run(["sqlite3", source, f".backup '{file}'"], check=True)
            return
        with sqlite3.connect(source) as live, sqlite3.connect(file) as copy:
            live.backup(copy)


def _back_up_postgres(shop: Shop, url: URL, file: Path) -> None:
    with _events_coming_in(shop):
        subprocess.run(["pg_dump", "--file", file, _plain(make_url(shop.url))], check=True)
    told = ["psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(file), _plain(url)]
    subprocess.run(told, check=True, capture_output=True)


def _plain(url: URL) -> str:
    """As PostgreSQL's own programs read it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _bring(shop: Shop, folder: Path) -> None:
    """The key, and the folder as git would give it."""
    (folder / ".rekindle").mkdir()
    shutil.copy(shop.folder / KEY, folder / KEY)
    for part in ("rekindle.yaml", "journeys", "templates"):
        source = shop.folder / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / part)


@contextmanager
def _events_coming_in(shop: Shop) -> Iterator[None]:
    """Events of new people, one commit each, until left."""
    is_over = threading.Event()

    def come() -> None:
        for number in count(1):
            if is_over.is_set():
                return
            shop.happens("page.viewed", f"visitor-{number}")

    thread = threading.Thread(target=come)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
