"""Migrations add up to `store/tables.py`, take themselves back, and take turns."""

import tomllib
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Connection, MetaData, inspect, select, text, type_coerce

from rekindle.errors import StoreUnavailable
from rekindle.migrating import belongs_to, downgrade, migrations_since, upgrade
from rekindle.revisions import (
    MIGRATIONS,
    current_revision,
    is_current,
    newest_revision,
    require_current,
)
from store.session import Store
from store.steps import STEP
from store.suppressions import fingerprint
from store.tables import identities, metadata, parked_events, positions, rejects, suppressions
from tests import layouts
from tests.layouts import RELEASED, read_layouts, taken_away

INSTANTS = [type_coerce(each, BigInteger) for each in (positions.c.arrived_at, positions.c.due_at)]


def test_the_newest_revision_is_the_one_that_alembic_finds():
    assert newest_revision() == ScriptDirectory(str(MIGRATIONS)).get_current_head()


@pytest.fixture
def bare(store: Store) -> Store:
    """A database with nothing in it."""
    downgrade(store)
    return store


@pytest.fixture(autouse=True)
def current_afterwards(store: Store) -> Any:
    """Other tests of this process share the PostgreSQL database."""
    yield
    if not store.is_sqlite:
        with store.begin() as tx:
            there = MetaData()  # tables of older revisions too
            there.reflect(tx)
            there.drop_all(tx)
        upgrade(store)


def test_migrations_add_up_to_the_tables(bare):
    upgrade(bare)
    with bare.read() as connection:
        migrated = picture(connection)
    downgrade(bare)
    with bare.begin() as tx:
        metadata.create_all(tx)

    with bare.read() as connection:
        assert migrated == picture(connection)


def test_alembic_sees_nothing_left_to_do(store):
    with store.read() as connection:
        options = {"include_object": belongs_to(connection.dialect.name)}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_migrations_take_themselves_back_to_nothing(store):
    downgrade(store)

    with store.read() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    assert current_revision(store) is None


def test_everybody_stands_where_they_stood_once_steps_have_numbers(store):
    stood = [(1, "wait", 1, 10, None), (2, "send:hello", 2, 20, 30), (3, "wait", 1, 40, 50)]
    downgrade(store, "for_postgresql")
    with store.begin() as tx:
        for row in stood:
            tx.exec_driver_sql(
                "INSERT INTO positions (enrollment_id, step, visit, arrived_at, due_at) VALUES "
                f"({', '.join('NULL' if value is None else repr(value) for value in row)})"
            )

    upgrade(store)

    numbered = select(positions.c.enrollment_id, STEP, positions.c.visit, *INSTANTS)
    with store.read() as connection:
        assert [tuple(row) for row in connection.execute(numbered)] == stood
    downgrade(store, "for_postgresql")
    with store.read() as connection:
        named = text("SELECT enrollment_id, step, visit, arrived_at, due_at FROM positions")
        assert [tuple(row) for row in connection.execute(named)] == stood


def test_what_an_old_process_may_rely_on_stays_until_no_version_reads_it(bare):
    upgrade(bare, RELEASED)
    for migration in migrations_since(RELEASED):
        with bare.read() as connection:
            before = read_layouts(connection)
        upgrade(bare, migration.revision)
        with bare.read() as connection:
            lost = taken_away(before, read_layouts(connection))

        declared = getattr(migration.module, "unread_since", {})
        undeclared = {name: how for name, how in lost.items() if name not in declared}
        assert undeclared == {}, f"{migration.path}: read the head of {layouts.__file__}"
        early = {name: since for name, since in declared.items() if not is_past(since)}
        assert early == {}, f"{migration.path}: this version or a later one; wait for another"


def is_past(version: str) -> bool:
    """Whether there has been a version since."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    present = str(project["project"]["version"])
    return tuple(map(int, version.split("."))) < tuple(map(int, present.split(".")))


def test_stored_addresses_become_canonical_and_what_names_no_mailbox_is_listed(store):
    downgrade(store, "holds")
    erased = sha256(b"<eve@example.com>").hexdigest()
    with store.begin() as tx:
        for values in (
            "1, 'email', ' ana@example.com', 5), (2, 1, 'email', 'ana@example.com', 5",
            "3, 'email', '<eve@example.com>', 5), (4, 3, 'email', 'n/a', 5",
        ):
            tx.exec_driver_sql(f"INSERT INTO identities VALUES ({values[0]}, {values})")
        tx.exec_driver_sql("INSERT INTO parked_events VALUES (7, 'email', 'fay@example.com.')")
        for number, address in enumerate(("ana@bücher.example", f"sha256:{erased}", "a@b;c@d")):
            tx.exec_driver_sql(
                "INSERT INTO suppressions (id, address, reason, detail, known_at) "
                f"VALUES ({number}, '{address}', 'person', '', 5)"
            )

    upgrade(store)

    with store.read() as connection:
        held = connection.execute(select(identities.c.customer_id, identities.c.value))
        assert sorted(tuple(row) for row in held) == [
            (1, "ana@example.com"), (3, "eve@example.com"), (3, "n/a"),
        ]  # fmt: skip
        assert connection.scalar(select(parked_events.c.value)) == "fay@example.com"
        assert set(connection.scalars(select(suppressions.c.address))) == {
            "ana@xn--bcher-kva.example", fingerprint("eve@example.com"), "a@b;c@d",
        }  # fmt: skip
        listed = list(connection.scalars(select(rejects.c.item).order_by(rejects.c.id)))
    assert listed == [{"customer": 3, "email": "n/a"}, {"suppression": "a@b;c@d"}]


def test_upgrading_twice_changes_nothing(bare):
    upgrade(bare)
    upgrade(bare)

    assert current_revision(bare) == newest_revision()


def test_processes_that_upgrade_at_once_take_turns(bare):
    url = bare.url.render_as_string(hide_password=False)
    stores = [Store(url) for _ in range(4)]

    with ThreadPoolExecutor() as pool:
        list(pool.map(upgrade, stores))

    assert is_current(bare)
    for store in stores:
        store.close()


def test_an_old_database_is_named_with_what_to_do(bare):
    with pytest.raises(StoreUnavailable, match="rekindle db upgrade"):
        require_current(bare)


def test_a_database_from_the_future_is_left_alone(store):
    with store.begin() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))

    with pytest.raises(StoreUnavailable, match="from_the_future"):
        upgrade(store)


def picture(connection: Connection) -> dict[str, Any]:
    """Everything the database says about our tables, in a form that compares."""
    seen = inspect(connection)
    return {
        table: {
            "columns": [_column(column) for column in seen.get_columns(table)],
            "primary key": seen.get_pk_constraint(table),
            "unique": sorted(map(str, seen.get_unique_constraints(table))),
            "indexes": sorted(map(_index, seen.get_indexes(table))),
        }
        for table in metadata.tables
    }


def _column(column: Any) -> tuple[str, str, bool, str]:
    return column["name"], str(column["type"]), column["nullable"], str(column["default"])


def _index(index: Any) -> str:
    options = {key: str(value) for key, value in sorted(index["dialect_options"].items())}
    return f"{index['name']} {index['column_names']} unique={bool(index['unique'])} {options}"
