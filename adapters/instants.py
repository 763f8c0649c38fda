"""Instants as trackers and files write them."""

import re
import reprlib
from datetime import UTC, datetime, timedelta, tzinfo

from store.tables import EPOCH

# also what `datetime.fromisoformat` refuses but libraries have sent: `2015-2-02T00:30:08.276Z`
LENIENT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,6})\d*)?)?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
EXAMPLE = "2026-03-02T08:00:00Z"
SECONDS_END = 100_000_000_000  # from here on a number counts milliseconds: it is the year 5138


def parse_instant(written: object, day_zone: tzinfo = UTC) -> datetime:
    """An instant in UTC from ISO 8601 or a Unix time in seconds or milliseconds.

    A date without time is the first instant of its day in `day_zone`; a time without offset is
    UTC. Raises ValueError for anything else.
    """
    match written:
        case bool():
            raise _no_time(written)
        case int() | float():
            return _from_unix(written)
        case str():
            return _from_text(written.strip(), day_zone)
        case _:
            raise _no_time(written)


def _no_time(written: object) -> ValueError:
    return ValueError(f"{reprlib.repr(written)} is not a time; write for example {EXAMPLE}")


def _from_unix(number: float) -> datetime:
    try:
        seconds = number / 1000 if abs(number) >= SECONDS_END else number
        return EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError) as error:
        raise _no_time(number) from error


def _from_text(text: str, day_zone: tzinfo) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = _leniently(text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=day_zone if _is_day(text) else UTC)
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise _no_time(text) from error


def _is_day(text: str) -> bool:
    return ":" not in text and "T" not in text.upper()


def _leniently(text: str) -> datetime:
    match = LENIENT.fullmatch(text)
    if not match:
        raise _no_time(text)
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    plain = f"{year}-{int(month):02}-{int(day):02}T{int(hour or 0):02}:{minute or '00'}"
    zone = {"Z": "+00:00", "UTC": "+00:00"}.get((offset or "").upper(), offset or "")
    try:
        return datetime.fromisoformat(
            f"{plain}:{second or '00'}.{(fraction or '0').ljust(6, '0')}{zone}"
        )
    except ValueError as error:
        raise _no_time(text) from error
