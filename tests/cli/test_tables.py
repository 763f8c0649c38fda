"""What commands tell as CSV and Parquet: whole, harmless in spreadsheets, and taken back."""

import csv
import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.csv  # type: ignore[import-untyped]  # publishes none
import pyarrow.parquet  # type: ignore[import-untyped]  # publishes none
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.files.columns import BLANKS, clean_cell
from rekindle.cli.app import main
from rekindle.cli.starter import copy_starter
from rekindle.cli.tables import TableFormat, as_cell, write_table

NOW = "2026-03-02T09:00:00Z"
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'=", "''@", "'", '="1"')
CUSTOMERS: list[dict[str, Any]] = [
    {"customer_id": "c1", "email": "ana@example.com", "name": "آنا رضایی", "zip": "00123"},
    {"customer_id": "c2", "email": "bo@example.com", "name": '=HYPERLINK("http://x","y")',
     "zip": "04567", "score": -4.5, "vip": True},
    {"customer_id": "c3", "name": "+49 30 123", "score": 7, "tags": ["a", "b"],
     "home": {"city": "Köln"}},
]  # fmt: skip
EVENTS: list[dict[str, Any]] = [
    {"customer_id": "c1", "event": "order.completed", "occurred_at": "2026-02-01T10:00:00.123456Z",
     "total": 10.5, "items": [{"sku": "é,\"x\""}]},
    {"customer_id": "c2", "event": "page.viewed", "occurred_at": "2026-02-02T10:00:00+03:30",
     "title": "=1+1"},
    {"email": "stranger@example.com", "event": "page.viewed", "occurred_at": NOW},
]  # fmt: skip
Run = Callable[..., bytes]


@pytest.fixture
def run(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs a command in a workspace of its own; gives the bytes that it printed."""

    def run_it(*words: str, folder: str = "shop", code: int = 0) -> bytes:
        given = ["--workspace", str(tmp_path / folder), "--now", NOW]
        assert main([*words, *given]) == code
        sys.stdout.flush()
        said = capfdbinary.readouterr()
        return said.err if code else said.out

    for name in ("shop", "other"):
        copy_starter(tmp_path / name)
    for name, rows in (("customers", CUSTOMERS), ("events", EVENTS)):
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        run_it("import", str(tmp_path / f"{name}.jsonl"), "--kind", name)
    return run_it


def read_csv(table: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.decode("utf-8"), newline="")))


def lines(exported: bytes) -> list[Any]:
    return [json.loads(line) for line in exported.splitlines()]


@pytest.mark.parametrize("form", ["", "--csv", "--parquet"])
def test_what_is_exported_comes_back_by_import_the_same(run: Run, tmp_path: Path, form: str):
    suffix = form.removeprefix("--") or "jsonl"
    for noun in ("customers", "events"):
        file = tmp_path / f"exported_{noun}.{suffix}"
        file.write_bytes(run("export", noun, *([form] if form else [])))
        code = 0 if noun == "customers" else 1  # the stranger's event has no customer
        run("import", "--as", f"rekindle_{noun}", str(file), folder="other", code=code)

    assert lines(run("export", "customers", folder="other")) == lines(run("export", "customers"))
    back = lines(run("export", "events", folder="other"))
    here = lines(run("export", "events"))
    same = ("customer", "name", "channel", "occurred_at", "message_id", "properties")
    assert [[e[k] for k in same] for e in back] == [[e[k] for k in same] for e in here[:2]]


def test_a_foreign_program_reads_what_is_written(run: Run):
    exported = run("export", "customers", "--csv")

    by_arrow = pyarrow.csv.read_csv(io.BytesIO(exported)).to_pylist()
    by_python = read_csv(exported)

    assert [row["name"] for row in by_python] == [
        "آنا رضایی", '\'=HYPERLINK("http://x","y")', "'+49 30 123"
    ]  # fmt: skip
    assert [row["id"] for row in by_arrow] == ["c1", "c2", "c3"]
    assert json.loads(by_python[2]["home"]) == {"city": "Köln"}


def test_parquet_has_types_and_the_values_as_they_are(run: Run):
    table = pyarrow.parquet.read_table(io.BytesIO(run("export", "customers", "--parquet")))
    events = pyarrow.parquet.read_table(io.BytesIO(run("export", "events", "--parquet")))

    assert str(table.schema.field("score").type) == "double"
    assert str(table.schema.field("vip").type) == "bool"
    assert table.column("name")[1].as_py() == CUSTOMERS[1]["name"]
    assert table.column("zip")[0].as_py() == "00123"
    assert events.column("occurred_at")[0].as_py() == datetime(
        2026, 2, 1, 10, 0, 0, 123456, tzinfo=UTC
    )
    assert json.loads(events.column("properties")[0].as_py())["total"] == 10.5


def test_traits_stand_on_every_row_on_demand(run: Run):
    table = read_csv(run("export", "events", "--csv", "--with", "email,home.city,name"))
    nested = lines(run("export", "events", "--with", "email"))

    assert [row["email"] for row in table] == ["ana@example.com", "bo@example.com", ""]
    assert table[0]["name"] == "order.completed"
    assert table[0]["trait.name"] == "آنا رضایی"
    assert "home.city" in table[0]
    assert [row["traits"] for row in nested] == [
        {"email": "ana@example.com"}, {"email": "bo@example.com"}, {}
    ]  # fmt: skip
    assert b"Did you mean 'email'?" in run("export", "events", "--with", "emial", code=2)
    assert b"suppressions name none" in run("export", "suppressions", "--with", "email", code=2)


TABLES = {
    "segment": ["segment", "size"],
    "segment at_risk --members --with email": ["segment", "customer", "email"],
    "drift --with email": ["customer", "clock", "state"],
    "parked": ["kind", "value", "reason", "events"],
    "check": ["file", "line", "column", "message"],
    "report journey": [],
    "keys list": [],
    "doctor": ["findings", "notes"],
}


def test_every_command_tells_a_table(run: Run):
    for words, columns in TABLES.items():
        as_csv = run(*words.split(), "--csv").decode()
        in_parquet = run(*words.split(), "--parquet")

        header = next(csv.reader(io.StringIO(as_csv)), [])
        assert [name for name in header if name in columns] == columns, words
        assert pyarrow.parquet.read_schema(io.BytesIO(in_parquet)).names == header


def test_one_form_at_a_time(run: Run):
    assert b"choose one" in run("drift", "--csv", "--json", code=2)


TEXTS = st.builds(
    str.__add__,
    st.sampled_from(("", *STARTS)),
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
)


@given(TEXTS)
def test_no_text_begins_as_a_formula_and_each_is_taken_back_as_it_was(text: str):
    cell = as_cell(text)

    assert cell[:1] not in {*"=+-@\t\r\n＝＋－＠"} or cell == ""
    if text == text.strip(BLANKS):
        assert clean_cell(cell) == text


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=5))
def test_any_table_of_texts_is_read_by_pythons_csv(rows: list[list[str]]):
    out = io.BytesIO()

    write_table(lambda: ({"a": a, "b": b} for a, b in rows), TableFormat.CSV, ["a", "b"], out)

    [header, *read] = csv.reader(io.StringIO(out.getvalue().decode(), newline=""))
    assert header == ["a", "b"]
    assert read == [[as_cell(cell) for cell in row] for row in rows]


def test_a_column_of_mixed_types_is_text_in_parquet():
    out = io.BytesIO()
    values = [1, "x", None, True, 2.5, {"a": 1}, 2**70]

    write_table(lambda: [{"v": value} for value in values], TableFormat.PARQUET, ["v"], out)

    column = pyarrow.parquet.read_table(io.BytesIO(out.getvalue())).column("v").to_pylist()
    assert column == ["1", "x", None, "true", "2.5", '{"a": 1}', str(2**70)]
