"""The drill of docs/operate.md: back up a workspace at work, restore it elsewhere, and go on."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import select
from sqlalchemy.engine import URL, make_url

from rekindle.cli.app import main
from rekindle.clock import SystemClock
from store.exports import export_rows
from store.keys import add_key
from store.nouns import NOUNS
from store.session import Store
from store.tables import messages
from tests.mail_sink import MailSink
from tests.servers import free_port, fresh_postgres_database
from tests.shop import LAYOUT, ROOT, SETTINGS, Shop

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
HELLO = """
journey: {topic}
topic: {topic}
start: [{{event: {topic}.wanted}}]
holdout: none
because: a test
steps: [{{send: hello}}]
"""
PEOPLE, SOME = 60, 20  # who are owed something, and emails after which the backup is made
PATIENCE_SECONDS = 40
Capture = pytest.CaptureFixture[str]


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
    with _events_coming_in(shop):
        _copy_sqlite(shop.url, file)


def _copy_sqlite(url: str, file: Path) -> None:
    source = make_url(url).database
    assert source is not None
    if shutil.which("sqlite3"):
        subprocess.run(["sqlite3", source, f".backup '{file}'"], check=True)
        return
    with sqlite3.connect(source) as live, sqlite3.connect(file) as copy:
        live.backup(copy)


def _back_up_postgres(shop: Shop, url: URL, file: Path) -> None:
    with _events_coming_in(shop):
        subprocess.run(["pg_dump", "--file", file, _plain(make_url(shop.url))], check=True)
    _read_back(file, url)


def _read_back(file: Path, url: URL) -> None:
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


# --- while it was sending


class SlowSink(MailSink):
    """Takes its time, so that the backup falls into the middle."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        await asyncio.sleep(0.05)
        return await super().handle_DATA(server, session, envelope)

    @property
    def received(self) -> Counter[str]:
        """How often each Message-ID came."""
        return Counter(mail.message["Message-ID"] for mail in self.mails)


@dataclass(frozen=True)
class Place:
    """A workspace and its database, as commands and processes are told of them."""

    folder: Path
    url: str

    def command(self, *words: str) -> int:
        return main([*words, "--workspace", str(self.folder), "--database", self.url])

    @contextmanager
    def running(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
        """A process of `up`, killed at the end, and what it said until it listened."""
        told = ["--workspace", str(self.folder), "--database", self.url]
        with subprocess.Popen(
            [sys.executable, "-m", "rekindle", *words, *told],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        ) as process:
            assert process.stdout is not None
            said = list(takewhile(lambda line: not line.startswith("Listening"), process.stdout))
            yield process, said
            process.kill()

    def messages(self) -> dict[str, str]:
        """Of every mail its status, by Message-ID."""
        store = Store(self.url)
        with store.read() as connection:
            query = select(messages.c.header_id, messages.c.status)
            query = query.where(messages.c.status != "cancelled")  # a number that is skipped
            found = {f"<{id_}>": status for id_, status in connection.execute(query)}
        store.close()
        return found


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.deep)])
def sending(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Place, SlowSink]]:
    """Many are owed a service mail or an offer, and somebody will order later."""
    database_url: str = request.getfixturevalue(f"{request.param}_url")
    with SlowSink() as sink:
        shop = Shop(tmp_path / "shop", database_url, SystemClock().now(), environment={})
        smtp = f"provider: smtp\nsmtp: {{host: {sink.host}, port: {sink.port}}}\n"
        shop.write("rekindle.yaml", SETTINGS + smtp + "topics: {offers: {consent: assumed}}\n")
        shop.write("templates/layouts/brand.html.j2", LAYOUT)
        shop.mail("hello")
        for topic in ("service", "offers"):
            shop.write(f"journeys/{topic}.yaml", HELLO.format(topic=topic))
        shop.apply()
        for number in range(PEOPLE):
            shop.customer(f"c{number}")
            shop.happens("service.wanted", f"c{number}")
            shop.happens("offers.wanted", f"c{number}")
        shop.customer("late")
        with shop.services.store.begin() as tx:
            add_key(tx, "wk", shop.clock.now())
        shop.close()
        yield Place(shop.folder, database_url), sink


def test_what_was_backed_up_while_sending_is_looked_at_and_then_goes_on_without_a_loss(
    sending, tmp_path, request, capsys
):
    before, sink = sending
    with before.running("up", "--port", str(free_port())) as (old, _):
        assert sink.wait_for(SOME)
        with restored(before, tmp_path / "elsewhere", request) as place:
            old.kill()  # the disk is gone
            old.wait()
            reached = sink.received
            known = place.messages()

            assert place.command("db", "check") == 0
            assert place.command("db", "restored") == 0
            bring_back_suppressions(before, place, capsys)
            port = free_port()
            with place.running("up", "--hold", "--port", str(port)) as (looked_at, said):
                order(port)
                wait_until(lambda: "held" in place.messages().values())
                looked_at.terminate()
                assert looked_at.wait(PATIENCE_SECONDS) == 0
            assert said[0].startswith("Held: nothing leaves since")
            assert sink.received == reached
            assert place.command("doctor") == 1

            assert place.command("release") == 0
            assert place.command("run", "--until-idle") == 0
            after = place.messages()
            assert place.command("doctor") == 0

    unknown = {id_ for id_ in reached if known.get(id_) != "sent"}  # left after the backup
    doubtful = {id_ for id_, status in after.items() if status == "uncertain"}
    assert {"queued", "sending"} & set(known.values())  # it was in the middle
    assert len(after) == 2 * PEOPLE + 1  # somebody's order
    refused = {id_ for id_, status in after.items() if status == "refused"}
    assert set(after.values()) <= {"sent", "uncertain", "refused"}
    assert len(refused) == 2  # whoever said no after the backup
    assert sink.received.keys() >= after.keys() - doubtful - refused
    assert {id_ for id_, count in sink.received.items() if count > 1} <= unknown
    assert max(sink.received.values()) <= 2
    assert all(known.get(id_) == "sending" for id_ in doubtful)


def bring_back_suppressions(before: Place, place: Place, capsys: Capture) -> None:
    """Somebody wanted no more email after the backup was made."""
    assert before.command("customer", "suppress", f"c{PEOPLE - 1}") == 0
    capsys.readouterr()
    assert before.command("export", "suppressions") == 0
    file = place.folder / "suppressions.jsonl"
    file.write_text(capsys.readouterr().out)
    told = ["--kind", "suppressions", "--map", "email=address"]
    assert place.command("import", str(file), *told) == 0


@contextmanager
def restored(before: Place, folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A copy of what there is at this moment, in a place of its own."""
    folder.mkdir()
    for part in ("rekindle.yaml", "journeys", "templates", KEY):
        source = before.folder / part
        (folder / part).parent.mkdir(exist_ok=True)
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / part)
    if before.url.startswith("sqlite"):
        file = folder / ".rekindle/rekindle.db"
        _copy_sqlite(before.url, file)
        yield Place(folder, f"sqlite:///{file}")
        return
    server: URL = request.getfixturevalue("postgres_server")
    dump = folder / "rekindle.sql"
    live = make_url(before.url)
    subprocess.run(["pg_dump", "--file", dump, _plain(live)], check=True)
    with fresh_postgres_database(server, f"{live.database}_drill") as url:
        _read_back(dump, url)
        yield Place(folder, url.render_as_string(hide_password=False))


def order(port: int) -> None:
    """Somebody wants something while the copy is looked at."""
    item = {"type": "track", "userId": "late", "event": "Service Wanted", "messageId": "late-1"}
    body = json.dumps({"batch": [item], "writeKey": "wk"}).encode()
    asked = Request(f"http://127.0.0.1:{port}/v1/batch", body, {"Content-Type": "application/json"})
    with urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
        assert answer.status == 200


def wait_until(holds: Callable[[], bool]) -> None:
    """A real deployment is watched in real time."""
    for _ in range(PATIENCE_SECONDS * 10):
        if holds():
            return
        time.sleep(0.1)
    pytest.fail("it did not come to that")
