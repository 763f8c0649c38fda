"""Instants for people, to the minute in UTC; whatever shows them says so once."""

from datetime import datetime

IN_UTC = "times are UTC"


def stamp(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "?"
