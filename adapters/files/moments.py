"""Dates and times as spreadsheets, shops and programs write them in files."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from babel.dates import get_month_names

from adapters.files.numbers import Ambiguous
from adapters.instants import parse_instant
from store.tables import EPOCH

ORDERS = ("DMY", "MDY", "YMD")
MONTH_LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "sv", "da", "pl")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
COMPACT = re.compile(
    r"(19\d\d|20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
    r"(?:T?([01]\d|2[0-3])([0-5]\d)([0-5]\d)?)?Z?",
    re.ASCII,
)
TIME = (
    r"(?:(?:[,\s]+|T)(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})"
    r"(?:[.,](?P<fraction>\d{1,9}))?)?\s*(?P<half>[ap]\.?m\.?)?)?"
    r"\s*(?P<offset>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
BY_NUMBERS = re.compile(
    r"(?P<a>\d{1,4})(?P<sep>[./-])\s?(?P<b>\d{1,2})(?P=sep)\s?(?P<c>\d{4}|\d{2})\.?" + TIME,
    re.IGNORECASE | re.ASCII,
)
DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\.?"
NAME = r"(?P<month>[^\W\d_]{3,12})\.?"
YEAR = r"(?P<year>\d{4}|\d{2})"
WEEKDAY = r"(?:[^\W\d_]{2,10}\.?,?\s+)?"
BY_NAMES = tuple(
    re.compile(form + TIME, re.IGNORECASE)
    for form in (
        rf"{WEEKDAY}{DAY}[\s-]+(?:de\s+)?{NAME}[\s,-]+(?:de\s+)?{YEAR}",
        rf"{WEEKDAY}{NAME}[\s-]+{DAY}[,\s-]\s*{YEAR}",
    )
)
YEARLESS = re.compile(r"(?:--)?(\d{1,2})[./-](\d{1,2})\.?", re.ASCII)
EXCEL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001  # day 0 of the 1900 date system, from March 1900
EXCEL_DAYS = range(10_000, 80_000)  # 1927 to 2119
# a Unix time in these units has at least so many digits; before that it is one of the unit above
UNITS = ((10**17, 10**9), (10**14, 10**6), (10**11, 10**3), (10**8, 1))
ISO = "ISO 8601"
CENTURY = 70  # two digits of a year from here on are of the last century


@dataclass(frozen=True)
class Moment:
    """A point in time, or a day, as it is written: without a zone it is somewhere's own."""

    at: datetime  # without a zone: local
    kind: str  # how it is written, in words
    is_day: bool = False
    is_iso: bool = False


@dataclass(frozen=True)
class MomentFormat:
    """How the instants of a column are written, and where they are meant."""

    zone: tzinfo  # of days and of whatever names none
    order: str = ""  # of day, month and year in numbers; empty: none is written so
    is_zone_named: bool = False  # else a time in ISO 8601 without an offset is UTC

    def read(self, text: str) -> datetime:
        """The instant in UTC. Raises ValueError."""
        if text[4:5] == "-" and text[10:11] == "T":  # as programs write, most files of all
            try:
                at = datetime.fromisoformat(text)
            except ValueError:
                at = None
            if at is not None and at.tzinfo is not None:
                return at.astimezone(UTC)
        return self.instant(parse_moment(text, self.order))

    def read_text(self, text: str) -> str:
        """The instant, or the day, in ISO 8601. Raises ValueError."""
        moment = parse_moment(text, self.order)
        if moment.is_day:
            return moment.at.date().isoformat()
        return self.instant(moment).isoformat().replace("+00:00", "Z")

    def instant(self, moment: Moment) -> datetime:
        at = moment.at
        if at.tzinfo is None:
            is_local = moment.is_day or self.is_zone_named or not moment.is_iso
            at = at.replace(tzinfo=self.zone if is_local else UTC)
        try:
            return at.astimezone(UTC)
        except OverflowError as error:
            raise ValueError(f"{at} is not a time") from error


def parse_moment(text: str, order: str = "") -> Moment:
    """Read one date or time; `order` says which of two numbers is the day.

    Raises ValueError for what is none, Ambiguous where only the order would tell.
    """
    if NUMBER.fullmatch(text):
        return _from_number(text)
    if compact := COMPACT.fullmatch(text):
        return _from_compact(compact)
    if numbers := BY_NUMBERS.fullmatch(text):
        return _from_numbers(numbers, text, order)
    if text[:4].isdigit():
        return _from_iso(text)
    for form in BY_NAMES:
        if (found := form.fullmatch(text)) and (month := _months().get(found["month"].lower())):
            day = _date(_year(found["year"]), month, int(found["day"]), text)
            return _at(day, found, "a date with the month's name")
    raise ValueError(f"{text!r} is not a time; write for example 2026-03-02T08:00:00Z")


def guess_order(cells: Iterable[str]) -> str:
    """The order of day, month and year that a column shows; empty where nothing depends on it.

    Raises Ambiguous, with the cell, where it may be either, ValueError where it shows both.
    """
    unsure, orders = "", set[str]()
    for cell in cells:
        if (found := BY_NUMBERS.fullmatch(cell)) is None or len(found["a"]) > 2:
            continue
        if found["sep"] == "." or int(found["a"]) > 12:
            orders.add("DMY")
        elif int(found["b"]) > 12:
            orders.add("MDY")
        else:
            unsure = unsure or cell
    if len(orders) > 1:
        raise ValueError("some say the day first and some the month")
    if unsure and not orders:
        raise Ambiguous(unsure)
    return orders.pop() if orders else ""


def parse_order(written: str) -> str:
    """`DD/MM/YYYY`, `%d.%m.%Y %H:%M` or `mdy` as DMY or MDY; empty if it names no order."""
    letters = re.sub(r"[^a-zA-Z]", "", written.split(" ")[0].split("T")[0]).upper()
    order = "".join(dict.fromkeys(letters))
    return order if order in ORDERS else ""


def read_yearless(text: str, order: str) -> str:
    """A day of every year as `--03-14`. Raises ValueError."""
    found = YEARLESS.fullmatch(text)
    if found is None:
        moment = parse_moment(text, order)
        return moment.at.date().isoformat()
    first, second = int(found[1]), int(found[2])
    day, month = (first, second) if order == "DMY" else (second, first)
    _date(2000, month, day, text)
    return f"--{month:02}-{day:02}"


def guess_yearless_order(cells: Iterable[str]) -> str:
    """Whether day or month comes first. Raises Ambiguous, ValueError as `guess_order`."""
    return guess_order(
        f"{found[1]}/{found[2]}/2000" for cell in cells if (found := YEARLESS.fullmatch(cell))
    )


def _from_number(text: str) -> Moment:
    if compact := COMPACT.fullmatch(text):
        return _from_compact(compact)
    number = float(text)
    if int(number) in EXCEL_DAYS:
        seconds = round((number % 1) * 86_400)  # Excel keeps no more than that for certain
        at = EXCEL_EPOCH + timedelta(days=int(number), seconds=seconds)
        return Moment(at, "Excel's day number", is_day=number == int(number))
    for least, unit in UNITS:
        if abs(number) >= least:
            whole = int(text) if text.lstrip("-").isdigit() else number
            name = {1: "s", 10**3: "ms", 10**6: "µs", 10**9: "ns"}[unit]
            return Moment(_since_epoch(whole, unit, text), f"Unix time in {name}")
    raise ValueError(f"{text!r} is not a time; write for example 2026-03-02T08:00:00Z")


def _since_epoch(number: float, unit: int, text: str) -> datetime:
    seconds, rest = divmod(number, unit)
    try:
        return EPOCH + timedelta(seconds=seconds, microseconds=round(rest * 10**6 / unit))
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{text} is not a time") from error


def _from_compact(found: re.Match[str]) -> Moment:
    year, month, day, hour, minute, second = found.groups()
    at = datetime.combine(
        _date(int(year), int(month), int(day), found[0]),
        time(int(hour or 0), int(minute or 0), int(second or 0)),
    )
    if found[0].endswith("Z"):
        at = at.replace(tzinfo=UTC)
    return Moment(at, "a date in digits alone", is_day=hour is None)


def _from_numbers(found: re.Match[str], text: str, order: str) -> Moment:
    first, second, third = found["a"], found["b"], found["c"]
    if len(first) > 2:
        if len(first) != 4:
            raise ValueError(f"{text!r} is not a time")
        if found["sep"] == "-":
            return _from_iso(text)
        return _at(_date(int(first), int(second), int(third), text), found, "year first")
    if found["sep"] == ".":
        order = order or "DMY"
    if not order:
        if int(first) <= 12 and int(second) <= 12:
            raise Ambiguous(text)
        order = "DMY" if int(first) > 12 else "MDY"
    day, month = (first, second) if order == "DMY" else (second, first)
    kind = "day first" if order == "DMY" else "month first"
    return _at(_date(_year(third), int(month), int(day), text), found, kind)


def _from_iso(text: str) -> Moment:
    found = parse_instant(text)
    is_day = ":" not in text and "T" not in text.upper()
    has_offset = re.search(r"(Z|UTC|[+-]\d{2}:?\d{2}|[+-]\d{2})$", text[10:], re.IGNORECASE)
    at = found if has_offset else found.replace(tzinfo=None)
    return Moment(at, ISO, is_day=is_day, is_iso=True)


def _at(day: date, found: re.Match[str], kind: str) -> Moment:
    if found["hour"] is None:
        return Moment(datetime.combine(day, time()), kind, is_day=True)
    hour = int(found["hour"])
    if half := found["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(f"{found[0]!r} is not a time")
        hour = hour % 12 + 12 * (half[0] in "pP")
    fraction = int((found["fraction"] or "0").ljust(6, "0")[:6])
    try:
        clock = time(hour, int(found["minute"]), int(found["second"] or 0), fraction)
    except ValueError as error:
        raise ValueError(f"{found[0]!r} is not a time") from error
    return Moment(datetime.combine(day, clock, _offset(found["offset"])), kind)


def _offset(written: str | None) -> tzinfo | None:
    if not written:
        return None
    if written[0] not in "+-":
        return UTC
    return datetime.strptime(written, "%z").tzinfo


def _year(written: str) -> int:
    year = int(written)
    return year if len(written) == 4 else year + (1900 if year >= CENTURY else 2000)


def _date(year: int, month: int, day: int, text: str) -> date:
    try:
        return date(year, month, day)
    except ValueError as error:
        raise ValueError(f"{text!r} is a day that no calendar has") from error


@lru_cache(maxsize=1)
def _months() -> dict[str, int]:
    """Names of months and their short forms in the languages of most exports; English wins."""
    found: dict[str, int] = {}
    for language in reversed(MONTH_LANGUAGES):
        for width in ("wide", "abbreviated"):
            names = get_month_names(width, locale=language)
            found |= {str(name).rstrip(".").lower(): month for month, name in names.items()}
    return found | {"sept": 9}
