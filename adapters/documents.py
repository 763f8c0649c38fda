"""Reads foreign JSON so strictly that whatever comes out can be stored on every database."""

import json
import math
from collections.abc import Mapping
from typing import Any

from rekindle.errors import Malformed, TooLarge

# values; a body of 4 MiB with more of them would have one for each 10 bytes. Each becomes an
# object, ten times as large as it was written.
MOST_VALUES = 400_000
MOST_DIGITS = 309  # of a whole number that a float can hold
DEEPEST = 64  # levels; nobody's event is deeper, and every database and encoder follows that far
NUL_OR_SURROGATE = ("\\u0000", "\\ud", "\\uD")  # as JSON escapes them


class Mended(str):
    """Text that lost characters which no database holds. Good enough to be read; never an id or a
    name, because without them it may be another's.
    """


# what Python's parser says begins so; where it is not among these, only the place is told
WORDS = {
    "Expecting value": "a value is expected",
    "Expecting property name": "a name in double quotes is expected",
    "Expecting ':'": "a colon is expected",
    "Expecting ','": "a comma or an end is expected",
    "Illegal trailing comma": "a comma is followed by nothing",
    "Extra data": "more follows after its end",
    "Unterminated string": "a text has no end",
    "Invalid control character": "a text holds a control character that is not escaped",
    "Invalid \\": "an escape is none of JSON's",
}


def parse_json(body: bytes) -> Any:
    """The document in `body`. Raises Malformed, in words for its sender; TooLarge, before anything
    is parsed, if it may hold more values than are read.

    NUL characters are dropped and halves of surrogate pairs replaced, as PostgreSQL takes neither:
    such a text is `Mended`. A number too large for a float, or too long for Python, is null. A byte
    order mark is passed over.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8: byte {error.start} cannot be read.") from error
    if _count_signs(body) > MOST_VALUES:
        raise TooLarge(f"the body holds more than {MOST_VALUES} values.")
    try:
        document = _parse(text)
    except json.JSONDecodeError as error:
        where = f"at line {error.lineno}, column {error.colno}"
        raise Malformed(f"the body is not JSON: {where}, {json_fault(error.msg)}.") from error
    except RecursionError as error:
        raise Malformed("the body is not JSON: it is nested too deep.") from error
    if text.count("{") + text.count("[") > DEEPEST and _is_deeper(document, DEEPEST):
        raise Malformed(f"the body is nested deeper than {DEEPEST} levels.")
    is_sound = "\\u" not in text or not any(sign in text for sign in NUL_OR_SURROGATE)
    return document if is_sound else _storable(document)


def _count_signs(body: bytes) -> int:
    """At least as many as there are values: each but the first follows one of these."""
    return sum(body.count(sign) for sign in (b",", b"[", b"{", b":"))


def _parse(text: str) -> Any:
    """Raises json.JSONDecodeError, RecursionError, Malformed."""
    try:
        return _decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a number with too many digits; to look at each of them takes longer
        return json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_short
        )


def json_fault(said: str) -> str:
    """What Python's parser says is wrong, in our words."""
    return next(
        (ours for theirs, ours in WORDS.items() if said.startswith(theirs)), "it cannot be read"
    )


def _refuse_constant(name: str) -> None:
    raise Malformed(f"the body is not JSON: {name} is no number in it.")


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _short(digits: str) -> int | None:
    return int(digits) if len(digits) <= MOST_DIGITS else None


_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


def _is_deeper(value: object, levels: int) -> bool:
    match value:
        case dict():
            return levels == 0 or any(_is_deeper(item, levels - 1) for item in value.values())
        case list():
            return levels == 0 or any(_is_deeper(item, levels - 1) for item in value)
        case _:
            return False


def _storable(value: Any) -> Any:
    match value:
        case str():
            return storable_text(value)
        case dict():
            return {storable_text(name): _storable(item) for name, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case _:
            return value


def storable_text(text: str) -> str:
    """`text` without what no UTF-8 database column holds, `Mended` if that changed it."""
    storable = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return text if storable == text else Mended(storable)


def require_whole(*texts: Any) -> None:
    """Raises Malformed if one of these ids or names was mended."""
    for text in texts:
        if type(text) is not str and isinstance(text, Mended):
            raise Malformed(
                f"{text[:40]!r} held a character that cannot be stored (NUL or the like)"
            )


def require_whole_names(document: Mapping[str, Any]) -> None:
    """Raises Malformed if a field's name was mended: it would pass for another field."""
    require_whole(*document)
