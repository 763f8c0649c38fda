"""Any table that Python's `csv` writes comes back the same, and damage costs its own line only."""

import csv
from io import StringIO

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from adapters.files.dialects import LONGEST_CELL, Cells, Dialect, guess_separator, read_records

# texts with everything that means something in CSV, and a little that does not
CELLS = st.text(st.sampled_from("ab ;,|\t\"'\\\n\r.é1"), max_size=8)
# what people have in cells: nothing that looks like the end of another one
PLAIN = st.text(st.sampled_from("ab .é1-"), max_size=6).map(lambda text: f"x{text}x")
QUOTED = st.one_of(PLAIN, PLAIN.map(lambda text: f'x"{text}"x'), PLAIN.map(lambda t: f"{t},\n{t}"))


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str], least: int = 1) -> list[list[str]]:
    width = draw(st.integers(max(least, 1), 4))
    return draw(
        st.lists(st.lists(cells, min_size=width, max_size=width), min_size=least, max_size=6)
    )


def write(table: list[list[str]], **dialect: object) -> str:
    target = StringIO(newline="")
    csv.writer(target, **dialect).writerows(table)  # type: ignore[arg-type]
    return target.getvalue()


def is_reversible(text: str, table: list[list[str]], **dialect: object) -> bool:
    """Whether Python itself can read what it wrote: older ones leave a lone CR unquoted."""
    try:
        return list(csv.reader(StringIO(text, newline=""), **dialect)) == table  # type: ignore[arg-type]
    except csv.Error:
        return False


def read(text: str, dialect: Dialect, columns: int | None = None) -> list[Cells]:
    return list(read_records(StringIO(text, newline=""), dialect, columns))


@given(
    table=tables(CELLS),
    separator=st.sampled_from(",;\t|^"),
    quote=st.sampled_from("\"'"),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    escape=st.sampled_from(["", "\\"]),
)
@settings(max_examples=300)
def test_any_table_comes_back_as_it_was_written(
    table: list[list[str]], separator: str, quote: str, ending: str, quoting: int, escape: str
):
    dialect = {"delimiter": separator, "quotechar": quote, "doublequote": not escape,
               "escapechar": escape or None}  # fmt: skip
    text = write(table, **dialect, lineterminator=ending, quoting=quoting)
    assume(is_reversible(text, table, **dialect))

    found = read(text, Dialect(separator, quote, escape), len(table[0]))

    assert [record.problem for record in found] == [""] * len(table)
    assert [record.cells for record in found] == table


@given(table=tables(CELLS.filter(lambda text: "\n" not in text and "\r" not in text)),
       separator=st.sampled_from(",;|"))  # fmt: skip
@settings(max_examples=100)
def test_so_does_one_without_quotes(table: list[list[str]], separator: str):
    assume(all(row != [""] for row in table))
    text = write(table, delimiter=separator, quoting=csv.QUOTE_NONE, escapechar="\\",
                 lineterminator="\n")  # fmt: skip

    found = read(text, Dialect(separator, '"', "\\"), len(table[0]))

    assert [record.cells for record in found] == table


@given(table=tables(QUOTED, least=2), separator=st.sampled_from(",;|\t"),
       quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))  # fmt: skip
@example(table=[["x"] * 4, *(["x"] * (4 - n) + ["x,\nx"] * n for n in (2, 2, 3, 4))],
         separator=";", quoting=csv.QUOTE_ALL)  # fmt: skip
@settings(max_examples=200)
def test_the_separator_is_told_by_the_records(table: list[list[str]], separator: str, quoting: int):
    table = [[f"name{at}" for at in range(len(table[0]))], *table]

    assert guess_separator(write(table, delimiter=separator, quoting=quoting), '"') == separator


@given(data=st.data(), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
@settings(max_examples=400)
def test_a_quote_too_many_or_too_few_loses_nothing_else(data: st.DataObject, quoting: int):
    table = data.draw(tables(QUOTED, least=2))
    records = [write([row], quoting=quoting, lineterminator="\n") for row in table]
    damaged = data.draw(st.integers(0, len(records) - 1))
    was = records[damaged]
    if data.draw(st.booleans(), label="insert"):
        at = data.draw(st.integers(0, len(was) - 1))
        now = f'{was[:at]}"{was[at:]}'
    else:
        places = [at for at, sign in enumerate(was) if sign == '"']
        assume(places)
        at = data.draw(st.sampled_from(places))
        now = was[:at] + was[at + 1 :]
    text = "".join([*records[:damaged], now, *records[damaged + 1 :]])

    found = read(text, Dialect(), len(table[0]))

    first = 1 + sum(record.count("\n") for record in records[:damaged])
    last = first + was.count("\n") - 1
    others = [record.cells for record in found if not first <= record.number <= last]
    assert others == table[:damaged] + table[damaged + 1 :]
    for record in found:
        if record.problem:
            assert first <= record.number <= last
            assert f"line {record.number}" in record.problem


@given(data=st.data(), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
@settings(max_examples=200)
def test_a_file_that_was_cut_off_loses_its_last_record_at_most(data: st.DataObject, quoting: int):
    table = data.draw(tables(QUOTED, least=2))
    text = write(table, quoting=quoting, lineterminator="\n")
    cut = data.draw(st.integers(0, len(text)))
    whole = [write(table[:count], quoting=quoting, lineterminator="\n")
             for count in range(len(table) + 1)]  # fmt: skip
    kept = max(count for count, written in enumerate(whole) if len(written) <= cut)

    found = read(text[:cut], Dialect(), len(table[0]))

    assert [record.cells for record in found[:kept]] == table[:kept]
    for record in found[kept:]:
        is_complete = len(record.cells) == len(table[0])
        assert is_complete or f"line {record.number}" in record.problem


def test_a_cell_that_never_ends_is_given_up_and_reading_goes_on():
    lines = ['1,"oops\n', *("2,fine\n" for _ in range(LONGEST_CELL // 5))]

    records = read_records(iter(lines), Dialect(), 2)

    assert next(records).problem == "a quote that is opened in line 1 never closes"
    assert sum(1 for _ in records) == len(lines) - 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('1,"a"b,c\n', "a quote closes before 'b,c'"),
        ('1,"a\n2,b,c\n', "a quote that is opened in line 1 never closes"),
        ('1,"a\n2,b"x,c\n', "a quote that is opened in line 1 never closes"),
        ("1,b", "the file ends inside line 1, after 2 cells of 3"),
    ],
)
def test_what_is_wrong_is_said_in_words(text: str, problem: str):
    assert problem in read(text, Dialect(), 3)[0].problem
