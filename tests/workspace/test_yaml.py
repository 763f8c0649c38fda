from itertools import pairwise

import pytest

from rekindle.workspace.yaml import decode, parse_yaml


def problems_in(text):
    return [str(problem) for problem in parse_yaml(text, "f.yaml").problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("2026-03-01", "2026-03-01"),
        ("1.2.3", "1.2.3"),
        ("1_000", "1_000"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-3", -3),
        ("1.5e3", 1500.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("'true'", "true"),
        ('"12"', "12"),
    ],
)
def test_a_plain_word_means_what_yaml_1_2_says(written, value):
    found = parse_yaml(f"key: {written}\n", "f.yaml").data["key"]

    assert found == value
    assert type(found) is type(value)


def test_keys_are_always_text():
    document = parse_yaml("on: a\nyes: b\n1: c\ntrue: d\n", "f.yaml")

    assert list(document.data) == ["on", "yes", "1", "true"]


def test_a_key_written_twice_is_reported_where_it_is_repeated():
    assert problems_in("a: 1\nb: 2\na: 3\n") == [
        "f.yaml:3:1: 'a' is written twice; the first one is on line 1.\na: 3\n^"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a:\n\tb: 1\n", "f.yaml:2:1: a tab is used for indentation. Use spaces.\n\tb: 1\n^"),
        ("a:\n  b: 1\n c: 2\n", "f.yaml:3:2: this line does not fit the lines above it."),
        ("a: [1, 2\n", "f.yaml:1:9: the '[' opened on line 1 misses a ',' or ']' before here."),
        ("a: {b: 1\nc: 2\n", "f.yaml:2:2: the '{' opened on line 1 misses a ',' or '}'"),
        ("a: 'x\n", "f.yaml:1:6: a quotation mark is opened on line 1 and never closed."),
        ("a: b: c\n", "f.yaml:1:5: a ':' is not possible here."),
        ("a: @x\n", "f.yaml:1:4: a text cannot begin with this character. Put the text in"),
        ("a: *x\n", "f.yaml:1:4: this alias refers to no anchor."),
        ("a: - b\n", "f.yaml:1:4: a list cannot begin here."),
        ("- a\nb: 1\n", "f.yaml:2:1: this line does not continue the list above it."),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here."),
        ('a: "\\q"\n', "f.yaml:1:5: this backslash means nothing here."),
        ("a: !!python/name:os.system x\n", "f.yaml:1:4: tags such as 'python/name:os.system'"),
        ("a: 1e999\n", "f.yaml:1:4: 1e999 is too large a number."),
        (f"a: {'9' * 50}\n", "f.yaml:1:4: this number has too many digits."),
        ("? [a]\n: 1\n", "f.yaml:1:3: a key must be one word"),
        ("a: x\x07y\n", "f.yaml:1:5: an invisible control character (U+0007) stands here."),
        ("a: &a [x, *a]\n", "f.yaml:1:4: this alias contains itself."),
    ],
)
def test_what_is_not_yaml_is_said_in_plain_words_at_its_place(text, told):
    [problem] = problems_in(text)

    assert problem.startswith(told)
    assert problem.endswith("^") or "\n" not in problem


def test_nesting_beyond_all_use_is_refused_before_it_can_hurt():
    for text in ("[" * 50_000, "{a: " * 50_000, "- " * 50_000):
        [problem] = problems_in(text)
        assert "nested more than 60 levels deep" in problem


def test_aliases_that_would_explode_are_refused():
    letters = "abcdefghij"
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{letter}: &{letter} [{','.join([f'*{before}'] * 9)}]\n"
        for before, letter in pairwise(letters)
    )

    [problem] = problems_in(bomb)

    assert "the aliases of this file stand for more than 20,000 values." in problem


def test_a_few_aliases_are_fine():
    document = parse_yaml("a: &hours 09:00-17:00\nb: [*hours, *hours]\n", "f.yaml")

    assert document.data["b"] == ["09:00-17:00", "09:00-17:00"]
    assert document.problems == []


def test_bytes_that_are_not_text_are_placed():
    text, [problem] = decode(b"a: 1\nb: caf\xe9 x\n", "f.yaml")

    assert text == ""
    assert str(problem).startswith("f.yaml:2:7: this byte (0xe9) is not UTF-8 text.")


def test_every_value_and_key_has_its_place():
    document = parse_yaml("a:\n  - b: 日本 # so\n    c: [1, 2]\n", "f.yaml")

    assert str(document.place(("a", 0, "b"))) == "f.yaml:2:8"
    assert document.place(("a", 0, "b")).width == 2
    assert str(document.place(("a", 0, "c", 1))) == "f.yaml:3:12"
    assert str(document.place(("a", 0, "c"), of_key=True)) == "f.yaml:3:5"
    assert str(document.place(("a", 0, "missing"))) == "f.yaml:2:5"


def test_an_empty_file_has_no_data_and_no_problem():
    document = parse_yaml("# nothing yet\n", "f.yaml")

    assert document.data is None
    assert document.problems == []


def test_a_byte_order_mark_and_windows_line_ends_are_harmless():
    document = parse_yaml("\ufeffa: 1\r\nb: x\r\n", "f.yaml")

    assert document.data == {"a": 1, "b": "x"}
    assert document.place(("b",)).source == "b: x"
