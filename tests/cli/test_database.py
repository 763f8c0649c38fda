"""`rekindle db`: where the database stands, and bringing it up to date."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rekindle.cli.app import main
from store.customers import find_customer
from store.holds import find_hold
from store.restoring import SKIPPED
from tests.shop import Shop


@pytest.fixture
def here(tmp_path):
    return ["--workspace", str(tmp_path)]


def test_a_new_workspace_s_database_is_behind_and_the_exit_code_says_so(here, capsys):
    code = main(["db", "check", *here])

    assert code == 1
    assert "rekindle db upgrade" in capsys.readouterr().out


def test_upgrading_brings_it_up_to_date(here, capsys):
    upgraded = main(["db", "upgrade", *here])
    checked = main(["db", "check", *here, "--json"])

    said = capsys.readouterr().out
    assert (upgraded, checked) == (0, 0)
    document = json.loads(said[said.index("{") :])
    assert document["current"] == document["needed"]


def test_upgrading_again_says_that_nothing_was_to_do(here, capsys):
    main(["db", "upgrade", *here])
    capsys.readouterr()

    code = main(["db", "upgrade", *here])

    assert code == 0
    assert capsys.readouterr().out.startswith("Already at")


@pytest.mark.parametrize(
    "url",
    ["sqlite:////no/such/folder/x.db", "postgresql://127.0.0.1:1/none", "oracle://x", "nonsense"],
)
def test_a_database_that_is_not_there_is_one_clear_sentence(here, capsys, url):
    code = main(["db", "upgrade", *here, "--database", url])

    complaint = capsys.readouterr().err
    assert code == 1
    assert complaint.startswith("rekindle: ")
    assert "Traceback" not in complaint


def test_postgresql_is_upgraded_by_its_address(postgres_url, here, capsys):
    code = main(["db", "check", *here, "--database", postgres_url])

    assert code == 0
    assert capsys.readouterr().out.startswith("Up to date")


def test_a_fresh_file_is_made_ready_whichever_way_it_is_named(here, tmp_path, capsys):
    where = ["--database", f"sqlite:///{tmp_path / 'shop.db'}"]

    code = main(["segment", *here, *where])

    assert code == 0, capsys.readouterr().err
    assert main(["db", "check", *here, *where]) == 0


def test_a_file_with_tables_of_something_else_is_left_alone(here, tmp_path, capsys):
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE bills (id INTEGER)")

    code = main(["segment", *here, "--database", f"sqlite:///{tmp_path / 'other.db'}"])

    assert code == 1
    assert "rekindle db upgrade" in capsys.readouterr().err


def test_after_a_restore_nothing_leaves_and_no_number_comes_again(database_url, here, now, capsys):
    shop = Shop(Path(here[1]), database_url, now)
    shop.customer("ana")

    code = main(["db", "restored", *here, "--database", database_url])
    shop.customer("bea")

    assert code == 0
    assert "(restored from a backup), until 'rekindle release'" in capsys.readouterr().out
    with shop.services.store.read() as connection:
        ana, bea = (find_customer(connection, name) for name in ("ana", "bea"))
        assert find_hold(connection) is not None
    assert ana is not None
    assert bea is not None
    assert bea > ana + SKIPPED
    shop.close()
