"""Where a reading of a database stands: values of a column that grows, kept as JSON."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any

Kept = Mapping[str, Any]  # what kind of value, and the value


def keep_cursor(value: Any) -> dict[str, Any]:
    """Return a value of a cursor as it is kept. Raises ValueError for what cannot be one."""
    match value:
        case bool():
            raise ValueError("a cursor is an instant, a number or a text, not yes or no")
        case datetime():
            return {"kind": "instant", "value": value.isoformat()}
        case date():
            return {"kind": "day", "value": value.isoformat()}
        case int():
            return {"kind": "number", "value": str(value)}
        case Decimal() | float():
            return {"kind": "decimal", "value": str(value)}
        case str():
            return {"kind": "text", "value": value}
        case _:
            raise ValueError(
                f"a cursor is an instant, a number or a text, not {type(value).__name__}"
            )


def load_cursor(kept: Kept) -> Any:
    """Return the value that was kept, of the type in which its database compares it."""
    written = str(kept["value"])
    match kept["kind"]:
        case "instant":
            return datetime.fromisoformat(written)
        case "day":
            return date.fromisoformat(written)
        case "number":
            return int(written)
        case "decimal":
            return Decimal(written)
        case _:
            return written


def step_back(value: Any, overlap: timedelta, rows: int) -> Any:
    """Return where to begin again, so that what was committed late is read: never later than
    `value` itself. A text that is no instant is not stepped back.
    """
    match value:
        case datetime():
            return value - overlap
        case date():
            return value - timedelta(days=-(-overlap // timedelta(days=1)))
        case int() | Decimal():
            return value - rows
        case str() if (instant := _instant_in(value)) is not None:
            earlier = instant - overlap
            if len(value) == len("2026-03-02"):
                return f"{earlier:%Y-%m-%d}"
            return min(value, f"{earlier:%Y-%m-%d}{value[10]}{earlier:%H:%M:%S}")
        case _:
            return value


def can_step_back(value: Any) -> bool:
    """Whether a cursor of such values has an overlap."""
    return not isinstance(value, str) or _instant_in(value) is not None


def instant_of(value: Any, zone: tzinfo) -> datetime | None:
    """Return the instant that a value of a cursor is; None for one that only counts."""
    if isinstance(value, str):
        value = _instant_in(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if not isinstance(value, datetime):
        return None
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def _instant_in(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if text[4:5] == text[7:8] == "-" else None
