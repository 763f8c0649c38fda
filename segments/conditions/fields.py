"""The values that qualifiers of conditions take, each parsed in one place."""

import re
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    PlainValidator,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)

from rekindle.durations import Duration
from segments.paths import parse_path

LARGEST = 2**53  # whole numbers beyond it are not told apart
YEARS = range(1000, 9000)  # with room for windows on either side
NAME = re.compile(r"[a-z][a-z0-9_]*")


def _a_number(written: object) -> object:
    if isinstance(written, bool) or not isinstance(written, int | float):
        raise ValueError(f"this compares numbers, and {written!r} is none")
    if isinstance(written, int) and abs(written) > LARGEST:
        raise ValueError(f"whole numbers go to {LARGEST:,} here")
    return written


def _a_plain_value(written: object) -> object:
    if isinstance(written, list | tuple):
        raise ValueError("one value is expected here; for several use 'in' or 'not_in'")
    if written is None:
        raise ValueError("nothing can equal a missing value; use exists: false")
    if not isinstance(written, bool | int | float | str):
        raise ValueError("a text, a number, true or false is expected here")
    return written if isinstance(written, bool | str) else _a_number(written)


def _parse_percent(written: object) -> object:
    if isinstance(written, Fraction):
        return written
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", str(written).strip())
    if match is None or not float(match[1]):
        raise ValueError(f"a percentage such as 50% is expected here, not {written!r}")
    return Fraction(match[1]) / 100


def _write_percent(share: Fraction) -> str:
    return f"{float(share * 100):g}%"


def _longer_than_nothing(duration: timedelta) -> timedelta:
    if duration <= timedelta():
        raise ValueError("a window must be longer than nothing")
    return duration


def parse_day_or_instant(written: object) -> date | datetime:
    """An ISO 8601 date or date-time; one without offset is UTC. Raises ValueError in words."""
    if isinstance(written, datetime):
        return written if written.tzinfo else written.replace(tzinfo=UTC)
    if isinstance(written, date):
        return written
    try:
        text = str(written).strip()
        if len(text) == len("2026-03-01"):
            return date.fromisoformat(text)
        return parse_day_or_instant(datetime.fromisoformat(text))
    except ValueError as error:
        raise ValueError(
            f"{written!r} is not a date; write 2026-03-01 or 2026-03-01T08:00:00Z"
        ) from error


def _parse_bound(written: object) -> object:
    return "today" if written == "today" else _parse_date(written)


def _parse_since(written: object) -> object:
    if isinstance(written, str) and NAME.fullmatch(written):
        return written
    return _parse_date(written)


def _parse_date(written: object) -> date | datetime:
    found = parse_day_or_instant(written)
    if found.year not in YEARS:
        raise ValueError(f"dates lie between the years {YEARS[0]} and {YEARS[-1]}")
    return found


def _parse_names(written: object) -> object:
    names = [written] if isinstance(written, str) else written
    if not isinstance(names, list | tuple) or not names:
        raise ValueError("a name or a list of names is expected here")
    return tuple(_parse_event_name(name) for name in names)


def _parse_event_name(written: object) -> str:
    if not isinstance(written, str) or not written.strip():
        raise ValueError(f"an event's name is a text such as order.completed, not {written!r}")
    return written.strip().lower()


def _parse_property(written: object) -> str:
    if not isinstance(written, str):
        raise ValueError(f"{written!r} cannot be the name of a property")
    parse_path(written)
    return written


def _parse_one_property(written: object) -> str:
    name = _parse_property(written)
    if parse_path(name).means_several:
        raise ValueError(f"{name!r} means each of a list, and one value is needed here")
    return name


def _parse_range(written: object) -> object:
    if not isinstance(written, list | tuple) or len(written) != 2:
        raise ValueError("between takes two numbers, as in [2, 5]")
    low, high = (_a_number(bound) for bound in written)
    if low > high:  # type: ignore[operator]  # both were just proved to be numbers
        raise ValueError(f"nothing lies between {low} and {high}; write the smaller number first")
    return (low, high)


def _written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


_as_text = PlainSerializer(_written)

Number = Annotated[
    StrictInt | StrictFloat,
    BeforeValidator(_a_number, json_schema_input_type=float),
]
Range = Annotated[
    tuple[StrictInt | StrictFloat, StrictInt | StrictFloat],
    BeforeValidator(_parse_range, json_schema_input_type=list[float]),
]
PlainValue = Annotated[
    StrictBool | StrictInt | StrictFloat | StrictStr,
    BeforeValidator(_a_plain_value, json_schema_input_type=bool | int | float | str),
]
Percent = Annotated[  # exact, so that half of four is two
    Fraction,
    PlainValidator(_parse_percent),
    PlainSerializer(_write_percent),
    WithJsonSchema({"type": "string", "examples": ["50%"]}),
]
Stretch = Annotated[Duration, AfterValidator(_longer_than_nothing)]
EventNames = Annotated[
    tuple[str, ...],
    BeforeValidator(_parse_names, json_schema_input_type=str | list[str]),
]
PropertyName = Annotated[str, BeforeValidator(_parse_property, json_schema_input_type=str)]
OneProperty = Annotated[str, BeforeValidator(_parse_one_property, json_schema_input_type=str)]
DayOrInstant = Annotated[
    date | datetime,
    PlainValidator(_parse_date),
    _as_text,
    WithJsonSchema({"type": "string", "examples": ["2026-03-01"]}),
]
DateBound = Annotated[
    date | datetime | Literal["today"],
    PlainValidator(_parse_bound),
    _as_text,
    WithJsonSchema({"type": "string", "examples": ["2026-03-01", "today"]}),
]
Since = Annotated[
    date | datetime | str,
    PlainValidator(_parse_since),
    _as_text,
    WithJsonSchema({"type": "string", "examples": ["2026-03-01", "start"]}),
]
