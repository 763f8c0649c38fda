"""Types as `--type` and mappings name them: `number 1.234,56`, `instant DD/MM/YYYY`, `list ;`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapters.files.moments import parse_order
from adapters.files.names import EXAMPLES
from adapters.files.numbers import NumberFormat, parse_format

KINDS = {
    "text": "text", "string": "text", "id": "text",
    "number": "number", "decimal": "number", "integer": "number", "money": "number",
    "yes/no": "yes/no", "boolean": "yes/no", "bool": "yes/no",
    "instant": "instant", "date": "instant", "time": "instant", "datetime": "instant",
    "day": "instant", "birthday": "birthday", "list": "list", "json": "json", "address": "address",
}  # fmt: skip
SEPARATORS = {"comma": ",", "semicolon": ";", "blank": " ", "space": " ", "pipe": "|"}


@dataclass(frozen=True)
class Declared:
    """A type as `--type` or a mapping names it."""

    kind: str
    order: str = ""
    number: NumberFormat | None = None
    separator: str = ""
    zone: tzinfo | None = None


def parse_type(written: str) -> Declared:
    """Read `number 1.234,56`, `instant DD/MM/YYYY Europe/Berlin`, `list ;` and the like.

    Raises ValueError in words.
    """
    first, _, rest = written.strip().partition(" ")
    if ":" in first and first.partition(":")[0].lower() in KINDS:
        first, _, more = first.partition(":")
        rest = f"{more} {rest}".strip()
    kind = KINDS.get(first.lower(), "")
    if not kind and parse_order(first):
        kind, rest = "instant", written
    if not kind and (number := parse_format(first)):
        return Declared("number", number=number)
    match kind:
        case "number":
            return Declared(kind, number=_declared_format(rest, written))
        case "instant" | "birthday":
            return _declared_moment(kind, rest.split(), written)
        case "list":
            return Declared(kind, separator=SEPARATORS.get(rest.strip(), rest.strip()))
        case "":
            raise ValueError(f"{written!r} is no type; write for example {EXAMPLES}")
        case _ if rest:
            raise ValueError(f"{kind} takes no {rest!r}")
        case _:
            return Declared(kind)


def _declared_format(example: str, written: str) -> NumberFormat | None:
    if example and not (found := parse_format(example.strip())):
        raise ValueError(f"{written!r} names no format; write number 1.234,56 or number 1,234.56")
    return found if example else None


def _declared_moment(kind: str, words: Sequence[str], written: str) -> Declared:
    order, zone = "", None
    for word in words:
        if kind == "birthday" and (found := re.sub(r"[^A-Z]", "", word.upper())) in (
            "DDMM",
            "MMDD",
        ):
            order = "DMY" if found == "DDMM" else "MDY"
        elif found := parse_order(word):
            order = found
        elif "/" in word or word.upper() in ("UTC", "GMT"):
            zone = parse_zone(word)
        elif not re.fullmatch(r"[%A-Za-z:.,]+", word):  # the time of day says itself how it is read
            raise ValueError(f"{word!r} in {written!r} is neither a format nor a zone")
    return Declared(kind, order, zone=zone)


def parse_zone(name: str) -> ZoneInfo:
    """Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no zone {name!r}; write for example Europe/Berlin") from error
