"""Databases of others: every row once, whatever dies, comes late or is read again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy import event as sa_event

from rekindle.cli.app import main
from rekindle.clock import FixedClock
from rekindle.errors import RekindleError, SourceUnavailable
from rekindle.services import Services, open_services
from rekindle.workspace.applying import apply_folder
from rekindle.workspace.folder import read_folder
from store.customers import find_customer, load_traits
from store.figures import list_alarms
from store.intake import record_events
from store.records import Identity, IncomingEvent
from store.source_states import load_source_states
from store.tables import event_kinds, events, rejects
from workers.doctor import examine
from workers.sources import read_due_sources, read_source

NOW = datetime.fromisoformat("2026-03-02T09:00:00+00:00")
SOURCE = """\
source: shop
kind: sql
url: ${SHOP_URL}
every: 15 minutes
overlap: 10 minutes
timeout: 5 seconds
customers:
  query: SELECT id, email, plan, changed_at FROM people
  cursor: changed_at
  map: {customer_id: id}
  ignore: [changed_at]
events:
  query: SELECT id AS order_id, person, placed_at, total, 'Order Completed' AS event FROM orders
  cursor: placed_at
  key: [order_id]
  map: {customer_id: person, occurred_at: placed_at}
"""


@dataclass
class Shop:
    """A workspace, and somebody else's database."""

    services: Services
    clock: FixedClock
    engine: Engine
    statements: list[str] = field(default_factory=list)

    def run(self, sql: str, *rows: dict[str, Any]) -> None:
        with self.engine.begin() as tx:
            tx.execute(text(sql), list(rows) or None)

    def people(self, *rows: tuple[str, str, str, str]) -> None:
        names = ("id", "email", "plan", "at")
        self.run("DELETE FROM people WHERE id = :id", *({"id": row[0]} for row in rows))
        self.run("INSERT INTO people VALUES (:id, :email, :plan, :at)",
                 *(dict(zip(names, row, strict=True)) for row in rows))  # fmt: skip

    def orders(self, *rows: tuple[int, str, str, float]) -> None:
        names = ("id", "person", "at", "total")
        self.run("INSERT INTO orders VALUES (:id, :person, :at, :total)",
                 *(dict(zip(names, row, strict=True)) for row in rows))  # fmt: skip

    def write(self, source: str) -> None:
        folder = self.services.workspace / "sources"
        folder.mkdir(exist_ok=True)
        (folder / "shop.yaml").write_text(source, encoding="utf-8")
        apply_folder(self.services.store, self.services.workspace, self.services.environment,
                     self.clock.now())  # fmt: skip

    def read(self, *, again: bool = False) -> dict[str, tuple[int, int, int]]:
        done = read_source(self.services, self.services.library().sources["shop"], again=again)
        return {one.part: (one.accepted, one.duplicates, one.rejected) for one in done}

    def traits(self, id_: str) -> dict[str, Any]:
        with self.services.store.read() as connection:
            found = find_customer(connection, id_)
            assert found is not None
            return dict(load_traits(connection, [found], self.clock.now()).get(found, {}))

    def events(self) -> list[tuple[Any, datetime, datetime]]:
        query = (
            select(events.c.properties, events.c.occurred_at, events.c.known_at)
            .join(event_kinds, event_kinds.c.id == events.c.kind_id)
            .where(event_kinds.c.name == "order.completed")
            .order_by(events.c.id)
        )
        with self.services.store.read() as connection:
            found = connection.execute(query).all()
        return [(row[0]["order_id"], row[1], row[2]) for row in found]

    def check(self, source: str) -> list[str]:
        (self.services.workspace / "sources/shop.yaml").write_text(source, encoding="utf-8")
        _library, problems = read_folder(self.services.workspace, self.services.environment)
        return [str(problem).splitlines()[0] for problem in problems]


def at(clock: str) -> str:
    return f"2026-03-02 {clock}"


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, sqlite_url: str) -> Iterator[Shop]:
    url = f"sqlite:///{tmp_path}/shop.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    (tmp_path / "rekindle.yaml").write_text("brand: {name: Shop}\n")
    clock = FixedClock(NOW)
    environment = {"SHOP_URL": url}
    with open_services(tmp_path, clock, database=sqlite_url, environment=environment) as services:
        made = Shop(services, clock, engine)
        kind = "TEXT" if request.param == "sqlite" else "TIMESTAMP"
        made.run("DROP TABLE IF EXISTS people")
        made.run("DROP TABLE IF EXISTS orders")
        made.run(
            f"CREATE TABLE people (id TEXT PRIMARY KEY, email TEXT, plan TEXT, changed_at {kind})"
        )
        made.run(f"CREATE TABLE orders (id INTEGER, person TEXT, placed_at {kind}, total REAL)")
        made.write(SOURCE)
        yield made
    engine.dispose()


def test_rows_become_customers_and_events_once(shop: Shop):
    shop.people(("7", "ana@example.com", "silver", at("07:00:00")))
    shop.orders((1, "7", at("07:30:00"), 12.5), (2, "7", at("07:30:00"), 3.0))

    first, second, again = shop.read(), shop.read(), shop.read(again=True)

    assert first == {"customers": (1, 0, 0), "events": (2, 0, 0)}
    assert second == again == {"customers": (0, 1, 0), "events": (0, 2, 0)}
    assert shop.traits("7") == {"email": "ana@example.com", "plan": "silver"}
    assert [one[0] for one in shop.events()] == [1, 2]


def test_the_first_reading_is_history_and_later_ones_are_news(shop: Shop):
    shop.orders((1, "7", at("07:30:00"), 1.0))
    shop.read()
    shop.clock.move(timedelta(hours=1))
    shop.orders((2, "7", at("09:30:00"), 1.0))

    shop.read()

    [(_, before, known), (_, later, known_later)] = shop.events()
    assert known == before
    assert known_later == shop.clock.now() > later


def test_what_is_committed_late_is_read_within_the_overlap(shop: Shop):
    shop.orders((2, "7", at("08:00:00"), 1.0))
    shop.read()
    shop.orders((1, "7", at("07:50:00"), 1.0), (0, "7", at("07:49:59"), 1.0))

    shop.read()

    assert [one[0] for one in shop.events()] == [2, 1]


def test_a_changed_row_changes_the_customer_and_an_older_one_does_not(shop: Shop):
    shop.people(("7", "ana@example.com", "silver", at("07:00:00")))
    shop.read()
    shop.people(("7", "ana@example.com", "gold", at("08:00:00")))
    shop.read()
    assert shop.traits("7")["plan"] == "gold"
    told = IncomingEvent("customer.identified", NOW, "m", (Identity("external", "7"),),
                         traits={"plan": "platinum"})  # fmt: skip
    with shop.services.store.begin() as tx:
        record_events(tx, [told], now=NOW, settings=shop.services.settings)

    assert shop.read()["customers"] == (0, 1, 0)

    assert shop.traits("7")["plan"] == "platinum"


def test_a_row_that_cannot_be_read_costs_no_other_and_is_told_once(shop: Shop):
    shop.orders((1, "7", at("07:00:00"), 1.0), (2, "", at("07:01:00"), 1.0))

    first, second = shop.read(), shop.read()

    assert (first["events"], second["events"]) == ((1, 0, 1), (0, 1, 0))
    with shop.services.store.read() as connection:
        [reason] = connection.scalars(select(rejects.c.reason))
    assert "neither customer_id nor email" in reason


def test_a_thousand_rows_are_one_statement_there_and_few_here(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    shop.orders(*((n, f"c{n % 50}", at(f"07:{n // 100:02}:00"), 1.0) for n in range(2_500)))
    ours: list[str] = []
    sa_event.listen(shop.services.store.engine, "before_cursor_execute",
                    lambda *seen: ours.append(seen[2]))  # fmt: skip

    assert shop.read()["events"] == (2_500, 0, 0)

    assert len(ours) < 100


KILLED = """
import os, signal, sys
from pathlib import Path
from rekindle.services import open_services
from rekindle.cli.app import main
from rekindle.clock import FixedClock
from datetime import datetime
import workers.sources as sources
count, save = 0, sources.save_source_state
def save_and_die(tx, state):
    global count
    save(tx, state)
    count += state.part == "events" and state.accepted > 0
    if count == 2:
        os.kill(os.getpid(), signal.SIGKILL)
sources.save_source_state = save_and_die
folder, database, now = sys.argv[1:]
with open_services(Path(folder), FixedClock(datetime.fromisoformat(now)), database=database,
                   environment=dict(os.environ)) as services:
    sources.read_source(services, services.library().sources["shop"])
"""


def test_a_process_killed_within_a_batch_loses_and_doubles_nothing(shop: Shop, sqlite_url: str):
    shop.orders(*((n, "7", at(f"07:{n // 100:02}:00"), 1.0) for n in range(2_500)))
    environment = {**os.environ, **shop.services.environment}
    words = [sys.executable, "-c", KILLED, str(shop.services.workspace), sqlite_url,
             NOW.isoformat()]  # fmt: skip
    root = Path(__file__).parents[2]

    ended = subprocess.run(words, env=environment, cwd=root, check=False)
    stored = len(shop.events())
    shop.read()

    assert ended.returncode == -signal.SIGKILL
    assert stored == 1_000
    assert sorted(one[0] for one in shop.events()) == list(range(2_500))


def test_a_database_that_fails_raises_an_alarm_until_it_is_read_again(shop: Shop):
    shop.run("ALTER TABLE orders RENAME TO hidden")
    with pytest.raises(SourceUnavailable):
        shop.read()
    with shop.services.store.read() as connection:
        [alarm] = list_alarms(connection)
        states = load_source_states(connection)

    assert alarm.kind == "source.failing"
    assert "orders" in alarm.message
    assert {state.failed_at for state in states} == {NOW}
    assert read_due_sources(shop.services) == []
    shop.run("ALTER TABLE hidden RENAME TO orders")
    shop.clock.move(timedelta(minutes=15))
    assert len(read_due_sources(shop.services)) == 2
    with shop.services.store.read() as connection:
        assert list_alarms(connection) == []
        assert {state.error for state in load_source_states(connection)} == {None}


def test_it_is_read_when_it_is_due_and_doctor_says_when_nobody_does(shop: Shop):
    assert len(read_due_sources(shop.services)) == 2
    shop.clock.move(timedelta(minutes=14))
    assert read_due_sources(shop.services) == []

    shop.clock.move(timedelta(minutes=20))

    [finding] = [one for one in examine(shop.services, shop.clock.now()) if "source" in one.kind]
    assert "is a scheduler running?" in finding.said
    assert len(read_due_sources(shop.services)) == 2


def test_nothing_can_be_written_there_and_no_statement_runs_for_ever(shop: Shop):
    is_sqlite = shop.engine.dialect.name == "sqlite"
    endless = (
        "WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n) "
        "SELECT max(a) AS placed_at, '' AS order_id, '' AS person, '' AS event FROM n"
        if is_sqlite
        else "SELECT now() + pg_sleep(60)::text::interval AS placed_at, "
        "'' AS order_id, '' AS person, '' AS event"
    )
    shop.write(_with_query(endless).replace("timeout: 5 seconds", "timeout: 1 second"))
    with pytest.raises(SourceUnavailable, match=r"interrupted|timeout"):
        shop.read()
    if not is_sqlite:
        writing = "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone"
        shop.write(_with_query(writing))
        with pytest.raises(RekindleError):
            shop.read()


def _with_query(query: str) -> str:
    begin = SOURCE.index("  query: SELECT id AS order_id")
    end = SOURCE.index("  cursor: placed_at")
    return f"{SOURCE[:begin]}  query: {query!r}\n{SOURCE[end:]}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("key: [order_id]", "unknown: park", "rows are read more than once"),
        ("url: ${SHOP_URL}", "url: sqlite:///shop.db", "a URL may hold a password"),
        ("cursor: placed_at", "cursor: updated_at", "the query gives no column 'updated_at'"),
        ("every: 15 minutes", "every: 1 second", "every 10 seconds at most"),
        ("query: SELECT id, email", "query: UPDATE people --", "begins with SELECT"),
        ("map: {customer_id: id}", "consents: {nwes: {column: plan}}", "no topic 'nwes'"),
    ],
)
def test_check_judges_the_file(sqlite_shop: Shop, old: str, new: str, said: str):
    assert sqlite_shop.check(SOURCE) == []

    problems = sqlite_shop.check(SOURCE.replace(old, new))

    assert any(said in problem for problem in problems), problems


@pytest.fixture
def sqlite_shop(request: pytest.FixtureRequest, tmp_path: Path, sqlite_url: str) -> Iterator[Shop]:
    (tmp_path / "rekindle.yaml").write_text("brand: {name: Shop}\n")
    (tmp_path / "sources").mkdir()
    environment = {"SHOP_URL": "sqlite:////nowhere.db"}
    clock = FixedClock(NOW)
    with open_services(tmp_path, clock, database=sqlite_url, environment=environment) as services:
        yield Shop(services, clock, create_engine("sqlite://"))


def test_only_files_of_the_kind_sql_are_read(sqlite_shop: Shop):
    folder = sqlite_shop.services.workspace / "sources"
    (folder / "chatwoot.yaml").write_text("secret: x\n")
    _, alone = read_folder(sqlite_shop.services.workspace, {})

    beside = sqlite_shop.check(SOURCE)

    assert [str(problem.place.file) for problem in alone] == ["sources"]
    assert len(beside) == 1
    assert beside[0].startswith("sources/chatwoot.yaml:1:1: warning: nothing reads this file.")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "SHOP_URL is not set"),
        ("shop", "SHOP_URL is no URL such as postgresql"),
        ("oracle+nothing://scott:tiger@host/shop", "reading oracle needs"),
        ("postgresql://scott:tiger@127.0.0.1:1/shop", "refuses"),
        ("sqlite:////nowhere/tiger.db", "unable to open database file"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told_without_its_address(
    sqlite_shop: Shop, url: str, said: str
):
    sqlite_shop.write(SOURCE)
    sqlite_shop.services.environment = {"SHOP_URL": url}

    with pytest.raises(SourceUnavailable, match=said) as raised:
        sqlite_shop.read()

    assert "tiger" not in str(raised.value)


def test_the_command_reads_lists_and_looks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    with engine.begin() as tx:
        tx.execute(text("CREATE TABLE people (id, email, plan, changed_at)"))
        tx.execute(text("CREATE TABLE orders (id, person, placed_at, total)"))
        tx.execute(text(f"INSERT INTO orders VALUES (1, '7', '{at('07:00:00')}', 2.5)"))
    engine.dispose()
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{tmp_path}/shop.db")
    (tmp_path / "rekindle.yaml").write_text("brand: {name: Shop}\n")
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/shop.yaml").write_text(SOURCE)

    def run(*words: str, code: int = 0) -> str:
        assert main([*words, "--workspace", str(tmp_path), "--now", NOW.isoformat()]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    assert "order_id=1" in run("sources", "look", "shop")
    run("apply", "--allow", "9")
    assert "shop: never read" in run("sources")
    assert "shop, events: 1 row read, 1 new." in run("sources", "read", "shop")
    assert "up to 2026-03-02 07:00:00; 1 taken" in run("sources")
    assert "shop,events,1,0," in run("sources", "--csv")
    assert "shop, events: read 0 minutes ago" in run("doctor")
    assert "Did you mean 'shop'?" in run("sources", "read", "shpo", code=1)
    source = SOURCE.replace("SELECT id, email", "SELECT id, e_mail")
    (tmp_path / "sources/shop.yaml").write_text(source)
    assert main(["check", "--workspace", str(tmp_path)]) == 1
    assert "no such column: e_mail" in capsys.readouterr().out
