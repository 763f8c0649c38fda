"""Durations as people write them: `90 minutes`, `3 days`, `2h 30m`, `PT2H`; a day is 24 hours."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

UNITS = {
    "second": "seconds", "seconds": "seconds", "sec": "seconds", "s": "seconds",
    "minute": "minutes", "minutes": "minutes", "min": "minutes", "m": "minutes",
    "hour": "hours", "hours": "hours", "h": "hours",
    "day": "days", "days": "days", "d": "days",
    "week": "weeks", "weeks": "weeks", "w": "weeks",
}  # fmt: skip
PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
# ISO 8601 durations without years and months, whose length nobody can say: `P3D`, `PT72H`,
# `P1DT2H30M`
ISO = re.compile(
    r"p(?:(?P<weeks>\d+)w)?(?:(?P<days>\d+)d)?(?:t(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?)?"
)
LONGEST = timedelta(days=365_000)  # beyond it an instant may have no year that can be written
TOO_VAGUE = {"month", "months", "year", "years", "business"}


def parse_duration(text: object) -> timedelta:
    """The length of time that `text` names.

    Raises ValueError, in words for the author, for bare numbers, months, years, more
    than a thousand years and anything unreadable.
    """
    if isinstance(text, timedelta):
        return text
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise ValueError(f"a duration needs a unit, as in '{text} days'")
    if not isinstance(text, str):
        raise ValueError("a duration is a text such as '3 days'")
    lowered = text.strip().lower()
    if vague := next((word for word in lowered.split() if word in TOO_VAGUE), None):
        raise ValueError(f"'{vague}' has no fixed length; write days, as in '30 days'")
    try:
        iso = _parse_iso(lowered)
        duration = _parse_words(lowered, text) if iso is None else iso
    except OverflowError:
        duration = timedelta.max
    if duration > LONGEST:
        raise ValueError(f"'{text}' is longer than a thousand years")
    return duration


def _parse_iso(lowered: str) -> timedelta | None:
    found = ISO.fullmatch(lowered)
    if found is None or not any(found.groups()):
        return None
    return timedelta(**{unit: int(count) for unit, count in found.groupdict().items() if count})


def _parse_words(lowered: str, written: str) -> timedelta:
    parts = PART.findall(lowered)
    if not parts or PART.sub("", lowered).strip(" ,"):
        raise ValueError(f"'{written}' is not a duration; write for example '3 days' or '2h 30m'")
    total = timedelta()
    for count, unit in parts:
        if unit not in UNITS:
            raise ValueError(
                f"'{unit}' is not a unit of time; use seconds, minutes, hours, days or weeks"
            )
        total += timedelta(**{UNITS[unit]: float(count)})
    return total


def write_duration(duration: timedelta) -> str:
    """The shortest usual way to write `duration`: `3 days`, `1 day 2 hours`."""
    seconds = int(duration.total_seconds())
    words = []
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            words.append(f"{count} {unit}{'s' if count != 1 else ''}")
    return " ".join(words) or "0 seconds"


def _serialize(duration: Any) -> str:
    return write_duration(duration)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(_serialize, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["3 days", "2h 30m", "PT2H"]}),
]
