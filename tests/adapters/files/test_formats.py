"""Files of every format as rows, and files that are refused before any row is used."""

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from adapters.documents import Mended
from adapters.files import csv, excel, parquet
from adapters.files import json as json_files
from adapters.files.base import Line, Options, Table, find_format, scan_file
from adapters.files.encodings import parse_encoding
from adapters.files.packing import Source, sources_in
from rekindle.errors import Malformed, WrongUse
from tests.adapters.files.workbooks import write_workbook

HEADER_MISSING = "first line names the columns"


def write(folder: Path, name: str, content: str | bytes) -> Source:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Source(path)


def table(source: Source, options: Options | None = None) -> Table:
    options = options or Options()
    return find_format(source).open_table(source, scan_file(source, options.encoding), options)


def read(source: Source, options: Options | None = None) -> list[Line]:
    return list(table(source, options).read())


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("a.csv", csv), ("a.csv.gz", csv), ("a.TSV", csv), ("a.jsonl", json_files),
        ("a.jsonl.gz", json_files), ("a.ndjson", json_files), ("a", csv),
    ],
)  # fmt: skip
def test_a_format_is_found_by_its_suffix(tmp_path: Path, name: str, module: object):
    assert find_format(write(tmp_path, name, "a\n1\n")) is module


@pytest.mark.parametrize(
    ("content", "module"),
    [
        (b'{"a": 1}\n', json_files), (b'\xef\xbb\xbf [\n {"a": 1}]', json_files),
        (b"PAR1....", parquet), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", excel),
    ],
)  # fmt: skip
def test_what_a_file_holds_says_more_than_its_name(tmp_path: Path, content: bytes, module: object):
    assert find_format(write(tmp_path, "a.csv", content)) is module


def test_an_unknown_suffix_is_refused_with_those_that_are_known(tmp_path: Path):
    with pytest.raises(WrongUse, match=r"\.csv.*\.jsonl"):
        find_format(write(tmp_path, "a.docx", "x"))


def test_cells_are_rows_by_column_and_empty_ones_are_left_out(tmp_path: Path):
    assert read(write(tmp_path, "a.csv", 'a,b,c\n1, "x" ,\n\n,,\n"2\n3",,y\n')) == [
        Line(2, {"a": "1", "b": "x"}),
        Line(6, {"a": "2\n3", "c": "y"}),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_an_encoding_is_told_by_its_mark_or_its_zeros(tmp_path: Path, encoding: str):
    found = read(write(tmp_path, "a.csv", "customer_id,b\n1,é\n".encode(encoding)))

    assert found == [Line(2, {"customer_id": "1", "b": "é"})]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_told_by_the_records(tmp_path: Path, separator: str):
    content = f"a{separator}b\n1,5{separator}2\n"

    assert read(write(tmp_path, "a.csv", content)) == [Line(2, {"a": "1,5", "b": "2"})]


@pytest.mark.parametrize("sign", [";", ",", "\t", "|", "^"])
def test_the_separator_that_excel_names_is_obeyed(tmp_path: Path, sign: str):
    content = f"sep={sign}\r\na{sign}b\r\n1{sign}2\r\n"

    assert read(write(tmp_path, "a.csv", content)) == [Line(3, {"a": "1", "b": "2"})]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_they_like(tmp_path: Path, ending: str):
    content = ending.join(["a,b", "1,2", "3,4", ""])

    assert [line.row for line in read(write(tmp_path, "a.csv", content))] == [
        {"a": "1", "b": "2"},
        {"a": "3", "b": "4"},
    ]


def test_a_row_with_more_cells_than_columns_is_a_problem_but_not_with_empty_ones(tmp_path: Path):
    first, second, third = read(write(tmp_path, "a.csv", "a,b\n1,2,3\n4\n5,6,,\n"))

    assert (first.row, first.problem) == (None, "3 cells, but only 2 columns")
    assert (second.row, third.row) == ({"a": "4"}, {"a": "5", "b": "6"})


@pytest.mark.parametrize("content", ["", "\n1,2\n"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: str):
    with pytest.raises(Malformed, match=HEADER_MISSING):
        table(write(tmp_path, "a.csv", content))


def test_a_name_that_stands_twice_in_a_header_gets_a_number(tmp_path: Path):
    found = table(write(tmp_path, "a.csv", "a,b,b,b\n"))

    assert found.columns == ("a", "b", "b (2)", "b (3)")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('="0042"', "0042"), ('"=""0042"""', "0042"), ("'+49170", "+49170"), ("'s Hertogenbosch",
        "'s Hertogenbosch"), ("\u00a0x\u200b", "x"), ("\ufeffx", "x"),
    ],
)  # fmt: skip
def test_what_spreadsheets_put_around_a_cell_is_no_part_of_it(tmp_path: Path, cell: str, text: str):
    assert read(write(tmp_path, "a.csv", f"a,b\n{cell},1\n")) == [Line(2, {"a": text, "b": "1"})]


def test_lines_of_json_keep_their_types_and_bad_ones_their_number(tmp_path: Path):
    good, broken, list_ = read(write(tmp_path, "a.jsonl", '{"a": 1, "b": "2"}\n\n{"a":\n[1]\n'))

    assert good == Line(1, {"a": 1, "b": "2"})
    assert (broken.number, list_.number) == (3, 4)
    assert broken.problem.startswith("the line is not JSON")
    assert list_.problem == "the line is not a JSON object"


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("is_list", [True, False])
def test_json_may_be_a_list_or_objects_over_many_lines(
    tmp_path: Path, indent: int | None, is_list: bool
):
    rows = [{"a": number, "b": {"c": ["}", '"{']}} for number in range(3)]
    written = json.dumps(rows, indent=indent) if is_list else "\n".join(
        json.dumps(row, indent=indent) for row in rows
    )  # fmt: skip

    assert [line.row for line in read(write(tmp_path, "a.json", written))] == rows


def test_a_broken_object_of_a_list_spoils_no_other(tmp_path: Path):
    rows = [{"a": number} for number in range(5)]
    written = json.dumps(rows, indent=2).replace('"a": 2', '"a: 2')

    lines = read(write(tmp_path, "a.json", written))

    assert [line.row for line in lines] == [{"a": 0}, {"a": 1}, None, {"a": 3}, {"a": 4}]
    assert lines[2].number == 8
    assert "not JSON" in lines[2].problem


def test_a_list_of_json_is_read_in_pieces(tmp_path: Path):
    rows = [{"a": "x" * 50_000, "n": number} for number in range(60)]

    assert [line.row for line in read(write(tmp_path, "a.json", json.dumps(rows)))] == rows


def test_a_packed_file_is_the_same_file(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    content = b"a,b\n1,2\n"
    plain = write(tmp_path, "a.csv", content)
    zstd = pyarrow.compress(content, codec="zstd", asbytes=True)
    packed = [
        write(tmp_path, "b.csv.gz", gzip.compress(content)),
        write(tmp_path, "b.csv.zst", zstd),
    ]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("in/one.csv", content)
        archive.writestr("__MACOSX/._one.csv", b"x")
    packed += sources_in(tmp_path / "b.zip")

    assert [scan_file(source) for source in packed] == [scan_file(plain)] * 3
    assert [read(source) for source in packed] == [read(plain)] * 3
    assert packed[2].rejects.name == "b.zip.one.csv.rejects.jsonl"


def test_every_file_of_an_archive_is_one_to_read(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
        archive.writestr("b.jsonl", '{"b": 2}\n')

    assert [read(source)[0].row for source in sources_in(tmp_path / "b.zip")] == [
        {"a": "1"}, {"b": 2},
    ]  # fmt: skip


def test_a_row_that_is_not_utf8_spoils_no_other(tmp_path: Path):
    first, bad, last = read(write(tmp_path, "a.csv", b"a,b\n1,2\n3,\xe9\n4,\xc3\xa9\n"))

    assert first.row == {"a": "1", "b": "2"}
    assert (bad.number, bad.row, bad.problem) == (3, None, "the row is not UTF-8")
    assert last.row == {"a": "4", "b": "é"}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("größe,b\n1,2\n", "cp1252"), ("a,b\n1,Zoë\n", "cp1252"),
        ("a,b\n1,Привет мир как дела\n2,Москва\n", "cp1251"),
    ],
)  # fmt: skip
def test_an_encoding_that_no_mark_names_is_told_by_its_letters(
    tmp_path: Path, text: str, encoding: str
):
    source = write(tmp_path, "a.csv", text.encode(encoding))

    assert scan_file(source).encoding == encoding
    assert encoding[-4:] in table(source).notes[0]


def test_an_encoding_that_is_named_is_believed(tmp_path: Path):
    source = write(tmp_path, "a.csv", "a\nŁódź\n".encode("iso8859-2"))

    assert read(source, Options(parse_encoding("latin2")))[0].row == {"a": "Łódź"}


@pytest.mark.parametrize("name", ["utf9", "hex", "\0"])
def test_what_is_no_encoding_is_refused(name: str):
    with pytest.raises(WrongUse, match="no encoding"):
        parse_encoding(name)


def test_a_packed_file_that_ends_early_is_refused(tmp_path: Path):
    source = write(tmp_path, "a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 1000)[:-10])

    with pytest.raises(Malformed, match="unpacked"):
        scan_file(source)


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path):
    with pytest.raises(WrongUse, match="No such file"):
        scan_file(Source(tmp_path / "a.csv"))


def test_an_id_that_cannot_be_stored_is_marked_in_either_format(tmp_path: Path):
    cells = write(tmp_path, "a.csv", "customer_id,b\nana\0,2\n")
    rows = write(tmp_path, "a.jsonl", r'{"customer_id": "ana\u0000", "b": "2"}')

    found = [line.row for source in (cells, rows) for line in read(source)]

    assert [row and type(row["customer_id"]) for row in found] == [Mended, Mended]


def test_a_name_of_a_column_that_cannot_be_stored_is_refused(tmp_path: Path):
    header = write(tmp_path, "a.csv", "customer_id,b\0\n1,2\n")
    row = write(tmp_path, "a.jsonl", r'{"customer_id": "1", "b\u0000": "2"}')

    with pytest.raises(Malformed, match="cannot be stored"):
        table(header)
    assert "cannot be stored" in read(row)[0].problem


def test_a_workbook_is_read_whatever_its_name(tmp_path: Path):
    rows: list[list[object]] = [
        ["customer_id", "total", "when"],
        ["007", 12.5, 46022],
        ["8", 3, None],
    ]
    path = tmp_path / "orders.csv"
    write_workbook(path, {"Empty": [], "Orders": rows})

    (source,) = sources_in(path)

    assert [line.row for line in read(source)] == [
        {"customer_id": "007", "total": "12.5", "when": "46022"},
        {"customer_id": "8", "total": "3"},
    ]
    assert table(source).notes == ("a workbook, not .csv; sheet 'Orders'",)
    with pytest.raises(WrongUse, match="no sheet 'Sheet9', but Empty, Orders"):
        table(source, Options(sheet="Sheet9"))


def test_parquet_keeps_its_types(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    columns = {"customer_id": ["1", "2"], "total": [1.5, None], "tags": [["a"], []], "n": [1, 2]}
    path = tmp_path / "a.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path)

    assert [line.row for line in read(Source(path))] == [
        {"customer_id": "1", "total": 1.5, "tags": ["a"], "n": 1},
        {"customer_id": "2", "tags": [], "n": 2},
    ]
