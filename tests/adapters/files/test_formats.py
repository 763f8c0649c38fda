"""CSV and JSON Lines as rows, and files that are refused before any row is used."""

import gzip
from pathlib import Path

import pytest

from adapters.documents import Mended
from adapters.files import csv, jsonl
from adapters.files.base import Line, find_format, scan_file
from rekindle.errors import Malformed, WrongUse


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "name", ["a.csv", "a.csv.gz", "a.TSV", "a.jsonl", "a.jsonl.gz", "a.ndjson"]
)
def test_a_format_is_found_by_its_suffix(name: str):
    assert find_format(Path(name)) in (csv, jsonl)


def test_an_unknown_suffix_is_refused_with_those_that_are_known():
    with pytest.raises(WrongUse, match=r"\.csv.*\.jsonl"):
        find_format(Path("a.xlsx"))


def test_cells_are_rows_by_column_and_empty_ones_are_left_out(tmp_path: Path):
    path = write(tmp_path, "a.csv", 'a,b,c\n1, "x" ,\n\n"2\n3",,y\n')

    assert list(csv.read_lines(path)) == [
        Line(2, {"a": "1", "b": '"x"'}),
        Line(5, {"a": "2\n3", "c": "y"}),
    ]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path):
    path = write(tmp_path, "a.csv", b"\xef\xbb\xbfcustomer_id,b\n1,2\n")

    assert csv.read_columns(path) == ("customer_id", "b")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_told_by_the_header(tmp_path: Path, separator: str):
    path = write(tmp_path, "a.csv", f"a{separator}b\n1,5{separator}2\n")

    assert [line.row for line in csv.read_lines(path)] == [{"a": "1,5", "b": "2"}]


def test_a_row_with_more_cells_than_columns_is_a_problem(tmp_path: Path):
    path = write(tmp_path, "a.csv", "a,b\n1,2,3\n4\n")

    first, second = csv.read_lines(path)

    assert (first.row, first.problem) == (None, "3 cells, but only 2 columns")
    assert second.row == {"a": "4"}


@pytest.mark.parametrize("content", ["", "\n1,2\n"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: str):
    with pytest.raises(Malformed, match="first line names the columns"):
        csv.read_columns(write(tmp_path, "a.csv", content))


def test_a_name_that_stands_twice_in_a_header_is_refused(tmp_path: Path):
    with pytest.raises(Malformed, match="called b"):
        csv.read_columns(write(tmp_path, "a.csv", "a,b,b\n"))


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", 12),
        ("-1.50", -1.5),
        ("0", 0),
        ("007", "007"),
        ("1e5", "1e5"),
        ("+1", "+1"),
        ("1,5", "1,5"),
    ],
)
def test_a_plain_decimal_is_a_number_and_nothing_else_is(cell: str, value: object):
    assert csv.parse_value(cell) == value


def test_lines_of_json_keep_their_types_and_bad_ones_their_number(tmp_path: Path):
    path = write(tmp_path, "a.jsonl", '{"a": 1, "b": "2"}\n\n{"a":\n[1]\n')

    good, broken, list_ = jsonl.read_lines(path)

    assert good == Line(1, {"a": 1, "b": "2"})
    assert (broken.number, list_.number) == (3, 4)
    assert broken.problem.startswith("the line is not JSON")
    assert list_.problem == "the line is not a JSON object"


def test_a_packed_file_is_the_same_file(tmp_path: Path):
    plain = write(tmp_path, "a.csv", "a,b\n1,2\n")
    packed = write(tmp_path, "b.csv.gz", gzip.compress(plain.read_bytes()))

    assert scan_file(plain) == scan_file(packed)
    assert list(csv.read_lines(plain)) == list(csv.read_lines(packed))


def test_a_row_that_is_not_utf8_spoils_no_other(tmp_path: Path):
    path = write(tmp_path, "a.csv", b"a,b\n1,2\n3,\xe9\n4,\xc3\xa9\n")

    first, bad, last = csv.read_lines(path)

    assert first.row == {"a": "1", "b": "2"}
    assert (bad.number, bad.row, bad.problem) == (3, None, "the row is not UTF-8")
    assert last.row == {"a": "4", "b": "é"}


def test_a_header_that_is_not_utf8_refuses_the_file(tmp_path: Path):
    path = write(tmp_path, "a.csv", "größe,b\n1,2\n".encode("latin-1"))

    with pytest.raises(Malformed, match=r"a\.csv:1: the header is not UTF-8"):
        csv.read_columns(path)


def test_a_packed_file_that_ends_early_is_refused(tmp_path: Path):
    path = write(tmp_path, "a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 1000)[:-10])

    with pytest.raises(Malformed, match="unpacked"):
        scan_file(path)


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path):
    with pytest.raises(WrongUse, match="No such file"):
        scan_file(tmp_path / "a.csv")


def test_an_id_that_cannot_be_stored_is_marked_in_either_format(tmp_path: Path):
    cells = write(tmp_path, "a.csv", "customer_id,b\nana\0,2\n")
    rows = write(tmp_path, "a.jsonl", r'{"customer_id": "ana\u0000", "b": "2"}')

    read = [line.row for format_, path in ((csv, cells), (jsonl, rows))
            for line in format_.read_lines(path)]  # fmt: skip

    assert [row and type(row["customer_id"]) for row in read] == [Mended, Mended]


def test_a_name_of_a_column_that_cannot_be_stored_is_refused(tmp_path: Path):
    header = write(tmp_path, "a.csv", "customer_id,b\0\n1,2\n")
    row = write(tmp_path, "a.jsonl", r'{"customer_id": "1", "b\u0000": "2"}')

    with pytest.raises(Malformed, match="cannot be stored"):
        csv.read_columns(header)
    assert "cannot be stored" in next(jsonl.read_lines(row)).problem
