"""Numbers as people write them: decimal commas, thousands, currency signs, accountants' minus."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

PLAIN = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)  # not `007`, `+1`, `1e5`
MOST_DIGITS = 15  # of a whole number that a float tells apart; longer ones are ids
BLANKS = "[ \u00a0\u2007\u202f\u2009'’]"
EXPONENT = re.compile(r"-?\d+(?:[.,]\d+)?[eE][+-]?\d{1,3}", re.ASCII)
CODE = re.compile(r"(?:([A-Z]{3})\s?)?(.*?)(?:\s?([A-Z]{3}))?", re.DOTALL)
GROUPED = {
    ".": re.compile(r"\d{1,3}(?:\.\d{3})+"),
    ",": re.compile(r"\d{1,3}(?:,\d{3})+"),
}
DIGITS_BETWEEN_BLANKS = re.compile(rf"\d{{1,3}}(?:{BLANKS}\d{{3}})+(?![\d ])")
ARABIC = str.maketrans("٫٬۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", ".,01234567890123456789")
OTHER = {".": ",", ",": "."}


class Ambiguous(ValueError):
    """What is written can be read in two ways."""


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written."""

    decimal: str = "."

    def read(self, text: str) -> int | float:
        """Raises ValueError for what is no number, and for one written otherwise."""
        if PLAIN.fullmatch(text) and (self.decimal == "." or "." not in text):
            return float(text) if "." in text else int(text)
        digits, is_negative = _bare(text)
        decimal, thousands = self.decimal, OTHER[self.decimal]
        if EXPONENT.fullmatch(digits):
            number = float(digits.replace(",", "."))
            return _signed(int(number) if number.is_integer() else number, is_negative)
        whole, point, fraction = digits.partition(decimal)
        if thousands in whole and not GROUPED[thousands].fullmatch(whole):
            raise ValueError(f"{text!r} is not a number")
        whole = whole.replace(thousands, "")
        if not (whole or fraction).isdigit() or (fraction and not fraction.isdigit()):
            raise ValueError(f"{text!r} is not a number")
        if not point:
            return _signed(int(whole), is_negative)
        return _signed(float(f"{whole or 0}.{fraction or 0}"), is_negative)


def guess_format(cells: Iterable[str]) -> NumberFormat | None:
    """The format in which all of `cells` are numbers, or None if they are not.

    Raises Ambiguous, with the cell, where they are so in two formats that mean other numbers.
    """
    decimals: set[str] = set()
    unsure = ""
    for cell in cells:
        if PLAIN.fullmatch(cell) and (
            "." not in cell or not GROUPED["."].fullmatch(cell.strip("-"))
        ):
            decimals |= {"."} if "." in cell else set()
            continue
        try:
            found = _decimal_of(_bare(cell)[0])
        except ValueError:
            return None
        if found is None:
            unsure = unsure or cell
        elif found:
            decimals.add(found)
        if len(decimals) > 1:
            return None
    if decimals:
        return NumberFormat(decimals.pop())
    if unsure and "," in unsure:
        raise Ambiguous(unsure)
    return NumberFormat(".")  # `1.234` alone is written as programs write it


def parse_format(example: str) -> NumberFormat | None:
    """The format named by an example such as `1.234,56`; None where it names none."""
    found = _decimal_of(example) if example and re.fullmatch(r"[\d.,]+", example) else None
    return NumberFormat(found) if found else None


def _decimal_of(digits: str) -> str | None:
    """The decimal sign that a number shows: empty if it has none, None if that is unsure."""
    if EXPONENT.fullmatch(digits):
        return "," if "," in digits else "." if "." in digits else ""
    points, commas = digits.count("."), digits.count(",")
    if not points and not commas:
        if not digits.isdigit():
            raise ValueError
        return ""
    if points and commas:
        last = max(".,", key=digits.rfind)
        NumberFormat(last).read(digits)
        return last
    sign = "." if points else ","
    if points + commas > 1:
        if not GROUPED[sign].fullmatch(digits):
            raise ValueError
        return OTHER[sign]
    whole, _, fraction = digits.partition(sign)
    if not (whole + fraction).isdigit():
        raise ValueError
    is_group_like = len(fraction) == 3 and 1 <= len(whole) <= 3 and whole != "0"
    return None if is_group_like else sign


def _bare(text: str) -> tuple[str, bool]:
    """Digits, points and commas of a number, and whether it is negative. Raises ValueError."""
    text = text.translate(ARABIC)
    is_negative = text.startswith("(") and text.endswith(")")
    text = text.strip("()") if is_negative else text
    parts = CODE.fullmatch(text)
    assert parts is not None
    if parts[1] and parts[3]:
        raise ValueError(f"{text!r} is not a number")
    bare = "".join(letter for letter in parts[2] if not _is_currency(letter)).strip()
    for sign in ("-", "\u2212"):
        if sign in (bare[:1], bare[-1:]) and len(bare) > 1:
            is_negative, bare = True, bare.strip(sign).strip()
    if DIGITS_BETWEEN_BLANKS.match(bare):
        bare = re.sub(BLANKS, "", bare)
    if not bare[:1].isdigit() and bare[:1] not in ".,":
        raise ValueError(f"{text!r} is not a number")
    return bare, is_negative


@lru_cache(maxsize=512)
def _is_currency(letter: str) -> bool:
    return unicodedata.category(letter) == "Sc"


def _signed(number: float, is_negative: bool) -> int | float:
    return -number if is_negative else number
