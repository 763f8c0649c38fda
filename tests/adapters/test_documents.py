"""Foreign JSON, strict enough for every database."""

import json

import pytest

from adapters.documents import Mended, parse_json, require_whole
from rekindle.errors import Malformed


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"a": "\xff"}', "not UTF-8: byte 7"),
        (b'{"a": ', "not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b"[" * 100_000, "nested too deep"),
        (b"[" * 100 + b"]" * 100, "deeper than 64"),
    ],
)
def test_a_body_that_cannot_be_used_is_refused_in_words(body: bytes, sentence: str):
    with pytest.raises(Malformed, match=sentence):
        parse_json(body)


def test_what_no_database_holds_is_left_out():
    long = b"1" * 5_000
    document = parse_json(
        rb'{"a\u0000b": ["\u0000", "\ud800", "\ud83d\ude00"], "n": 1e400, "m": ' + long + b"}"
    )

    assert document == {"ab": ["", "?", "😀"], "n": None, "m": None}
    json.dumps(document, allow_nan=False)


def test_what_lost_a_character_is_marked_so_that_nobody_takes_it_for_an_id():
    document = parse_json(rb'{"userId": "ana\u0000", "name": "Ana", "x\ud800": 1}')

    marked = [text for pair in document.items() for text in pair if isinstance(text, Mended)]
    assert marked == ["ana", "x?"]


@pytest.mark.parametrize("text", [Mended("ana"), Mended("")])
def test_a_mended_id_is_refused_in_words(text: Mended):
    with pytest.raises(Malformed, match="NUL"):
        require_whole("whole", None, text)
