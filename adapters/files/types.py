"""What the cells of a column are: one type for all of them, guessed from the first or declared.

A cell is never typed by its own look: `35436` is a number in a column of amounts, and an id where
ids stand.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from zoneinfo import ZoneInfo

from adapters.documents import parse_json
from adapters.files.declared_types import Declared
from adapters.files.moments import (
    BY_NAMES,
    BY_NUMBERS,
    ISO,
    YEARLESS,
    MomentFormat,
    guess_order,
    guess_yearless_order,
    parse_moment,
    read_yearless,
)
from adapters.files.numbers import (
    MOST_DIGITS,
    Ambiguous,
    NumberFormat,
    guess_format,
)
from rekindle.addresses import EmailAddress
from rekindle.errors import Malformed, WrongUse

SAMPLE_ROWS = 10_000
# what stands where nothing is known, in columns of anything but text
MISSING = frozenset(
    ("n/a", "na", "null", "none", "nan", "nil", "-", "--", "\\n", "#n/a", "#null!", "undefined")
)
YES_NO: Mapping[str, bool] = {
    "true": True, "yes": True, "y": True, "t": True, "on": True, "1": True,
    "ja": True, "oui": True, "sí": True, "si": True, "sim": True, "wahr": True,
    "false": False, "no": False, "n": False, "f": False, "off": False, "0": False,
    "nein": False, "non": False, "não": False, "falsch": False,
}  # fmt: skip
# names whose cells are texts, whatever they look like: the last word of the name, or any of them
ID_ENDINGS = frozenset(
    [
        "id",
        "ids",
        "uuid",
        "guid",
        "key",
        "code",
        "codes",
        "no",
        "nr",
        "num",
        "number",
        "ref",
        "reference",
        "sku",
        "ean",
        "upc",
        "gtin",
        "isbn",
        "asin",
        "mpn",
        "iban",
        "bic",
        "vat",
        "token",
        "hash",
        "last4",
        "pin",
        "serial",
        "barcode",
        "tracking",
        "name",
        "handle",
        "version",
        "ip",
    ]
)
ID_WORDS = frozenset(
    [
        "zip",
        "zipcode",
        "postcode",
        "postal",
        "plz",
        "postleitzahl",
        "phone",
        "tel",
        "telephone",
        "telefon",
        "mobile",
        "mobil",
        "handy",
        "fax",
        "cell",
        "whatsapp",
        "msisdn",
        "sku",
    ]
)
BIRTHDAYS = re.compile(r"birth|bday|dob\b|geburt|anniversa|naissance|nacimiento", re.IGNORECASE)
WORDS = re.compile(r"[a-z]+\d*|\d+|[^\W\d_]+", re.IGNORECASE)
CASE_EDGE = re.compile(r"(?<=[a-z])(?=[A-Z])")
LEADING_ZERO = re.compile(r"0\d+", re.ASCII)
QUOTED_LIST = re.compile(r'"[^"]*"(?:\s*[,;]\s*"[^"]*")*')
ZONE_IN_NAME = re.compile(r"\((UTC|GMT)\)", re.IGNORECASE)
UTC_ZONE = ZoneInfo("UTC")
# what the rules of segments read as it stands; everything else is written so
CANONICAL = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:[Zz]|[+-]\d{2}(?::?\d{2})?)?)?"
)


@dataclass(frozen=True)
class ColumnType:
    """How the cells of a column are read; `read` raises ValueError for one that is none."""

    name: str
    read: Callable[[str], object]
    note: str = ""
    moments: MomentFormat | None = None  # of instants

    @property
    def shown(self) -> str:
        return f"{self.name}, {self.note}" if self.note else self.name


TEXT = ColumnType("text", lambda cell: cell)


@dataclass(frozen=True)
class Typing:
    """What is known of the cells' types besides the cells."""

    day_zone: tzinfo
    zone: tzinfo | None = None  # of this file's times; None: as `day_zone`, and UTC for ISO 8601
    declared: Mapping[str, Declared] | None = None  # by column

    def type_of(self, name: str, cells: Iterable[str]) -> ColumnType:
        """The type of the column called `name`, of which these are the first cells.

        Raises WrongUse where only its author can say how it is meant.
        """
        known = list(dict.fromkeys(cells))
        declared = (self.declared or {}).get(name)
        try:
            if declared is not None:
                return self._as_declared(name, declared, known)
            return self._guessed(name, [cell for cell in known if not is_missing(cell)])
        except Ambiguous as error:
            raise WrongUse(_undecided(name, str(error))) from error
        except ValueError as error:
            raise WrongUse(f"{name!r} cannot be read: {error}.") from error

    def moments_of(self, name: str, cells: Iterable[str]) -> ColumnType:
        """As `type_of`, of a column that holds instants."""
        known = [cell for cell in dict.fromkeys(cells) if not is_missing(cell)]
        declared = (self.declared or {}).get(name, Declared("instant"))
        try:
            order = declared.order or guess_order(known)
        except Ambiguous as error:
            raise WrongUse(_undecided(name, str(error))) from error
        except ValueError as error:
            raise WrongUse(f"{name!r} cannot be read: {error}.") from error
        return self._moments(name, order, declared.zone)

    def _moments(self, name: str, order: str, zone: tzinfo | None) -> ColumnType:
        named = zone or (UTC_ZONE if ZONE_IN_NAME.search(name) else self.zone)
        format_ = MomentFormat(named or self.day_zone, order, named is not None)
        note = {"DMY": "day first", "MDY": "month first"}.get(order, "")
        return ColumnType("instant", lambda cell: _as_written(cell, format_), note, format_)

    def _as_declared(self, name: str, declared: Declared, known: Sequence[str]) -> ColumnType:
        match declared.kind:
            case "number":
                present = [cell for cell in known if not is_missing(cell)]
                number = declared.number or guess_format(present) or NumberFormat()
                return _number(number)
            case "yes/no":
                return ColumnType("yes/no", _read_yes_no)
            case "instant":
                order = declared.order or guess_order(known)
                return self._moments(name, order, declared.zone)
            case "birthday":
                return _birthday(declared.order or guess_yearless_order(known))
            case "list":
                return _list(declared.separator)
            case "json":
                return ColumnType("json", _read_json)
            case "address":
                return ColumnType("address", lambda cell: EmailAddress.parse(cell).canonical)
            case _:
                return TEXT

    def _guessed(self, name: str, cells: Sequence[str]) -> ColumnType:
        if not cells:
            return TEXT
        first = cells[0]
        if first[0] in "{[" and all(map(_is_json, cells)):
            return ColumnType("json", _read_json)
        if all(map(QUOTED_LIST.fullmatch, cells)):
            return _list("")
        words = {cell.lower() for cell in cells}
        if words <= YES_NO.keys() and not words <= {"0", "1"} and _is_yes_no(words):
            return ColumnType("yes/no", _read_yes_no)
        if BIRTHDAYS.search(name) and all(map(YEARLESS.fullmatch, cells)):
            return _birthday(guess_yearless_order(cells))
        if any(character.isdigit() for character in first) and not is_id(name):
            return self._guess_amount_or_moment(name, cells)
        return TEXT

    def _guess_amount_or_moment(self, name: str, cells: Sequence[str]) -> ColumnType:
        if any(LEADING_ZERO.fullmatch(cell) or _is_too_long(cell) for cell in cells):
            return TEXT
        if number := guess_format(cells):
            return _number(number)
        if all(map(_is_moment, cells)):
            found = self._moments(name, guess_order(cells), None)
            if all(map(_can_read(found), cells)):
                return found
        return TEXT


def guess_types(columns: Mapping[str, Sequence[str]], typing: Typing) -> dict[str, ColumnType]:
    """The type of each of `columns`, given with its first cells. Raises WrongUse."""
    return {name: typing.type_of(name, cells) for name, cells in columns.items()}


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing is known."""
    return cell.lower() in MISSING


def is_id(name: str) -> bool:
    """Whether a column of this name holds ids or numbers that nobody adds up."""
    words = [word.lower() for word in WORDS.findall(CASE_EDGE.sub(" ", name))]
    return bool(words) and (words[-1] in ID_ENDINGS or not ID_WORDS.isdisjoint(words))


def _undecided(name: str, cell: str) -> str:
    if "/" in cell or "-" in cell:
        shown = f"{cell!r} in {name!r} may have the day or the month first. Say which"
        return f"{shown}: --type {name!r}=DD/MM/YYYY or --type {name!r}=MM/DD/YYYY."
    shown = f"{cell!r} in {name!r} may have a decimal comma or thousands. Say which"
    return f"{shown}: --type {name!r}='number 1.234,56' or --type {name!r}='number 1,234.56'."


def _number(format_: NumberFormat) -> ColumnType:
    return ColumnType("number", format_.read, "decimal comma" if format_.decimal == "," else "")


def _birthday(order: str) -> ColumnType:
    note = "day first" if order == "DMY" else "month first"
    return ColumnType("birthday", lambda cell: read_yearless(cell, order), note)


def _list(separator: str) -> ColumnType:
    def read(cell: str) -> list[str]:
        if not separator and cell.startswith("["):
            return list(map(str, parse_json(cell.encode())))
        sign = separator or ("," if "," in cell or ";" not in cell else ";")
        parts = (part.strip().strip('"').strip() for part in cell.split(sign))
        return [part for part in parts if part]

    return ColumnType("list", read)


def _read_yes_no(cell: str) -> bool:
    try:
        return YES_NO[cell.lower()]
    except KeyError:
        raise ValueError(f"{cell!r} is neither yes nor no") from None


def _read_json(cell: str) -> object:
    try:
        return parse_json(cell.encode("utf-8", "replace"))
    except Malformed as error:
        raise ValueError(str(error).replace("the body", "the cell")) from error


def _is_json(cell: str) -> bool:
    try:
        return isinstance(json.loads(cell), dict | list)
    except (ValueError, RecursionError):
        return False


def _is_yes_no(words: set[str]) -> bool:
    """`true` or `false` alone will do; `no` alone may be Norway, `f` alone may be anything."""
    return words <= {"true", "false"} or {YES_NO[word] for word in words} == {True, False}


def _is_too_long(cell: str) -> bool:
    return len(cell) > MOST_DIGITS and cell.lstrip("-").isdigit()


def _is_moment(cell: str) -> bool:
    if CANONICAL.fullmatch(cell) or BY_NUMBERS.fullmatch(cell):
        return True
    return (cell[:4].isdigit() and cell[4:5] in "-/") or any(f.fullmatch(cell) for f in BY_NAMES)


def _can_read(found: ColumnType) -> Callable[[str], bool]:
    def can_read(cell: str) -> bool:
        try:
            found.read(cell)
        except ValueError:
            return False
        return True

    return can_read


def _as_written(cell: str, format_: MomentFormat) -> str:
    """Canonical texts stay as they are, but where their zone was named elsewhere."""
    is_plain = CANONICAL.fullmatch(cell) and not (format_.is_zone_named and len(cell) > 10)
    return cell if is_plain else format_.read_text(cell)


def cells_by_column(
    rows: Iterable[Mapping[str, object]], columns: Iterable[str]
) -> dict[str, list[str]]:
    """The filled cells of each column."""
    found: dict[str, list[str]] = {name: [] for name in columns if name}
    for row in rows:
        for name, cell in row.items():
            if isinstance(cell, str) and name in found:
                found[name].append(cell)
    return found


def kinds_of_moments(cells: Iterable[str], format_: MomentFormat) -> Iterator[str]:
    """How the instants in `cells` are written, each way once, the first first."""
    seen: dict[str, None] = {}
    for cell in cells:
        try:
            is_iso = cell[4:5] == "-" and cell[10:11] == "T"  # as most are: told at a glance
            seen.setdefault(ISO if is_iso else parse_moment(cell, format_.order).kind)
        except ValueError:
            continue
    yield from seen
