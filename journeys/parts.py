"""What all pieces of a journey file share."""

import re
from datetime import time
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


def parse_time_of_day(written: object) -> object:
    """`09:00` as a time. Raises ValueError naming the form."""
    if isinstance(written, time):
        return written
    found = re.fullmatch(r"\s*([01]?\d|2[0-3]):([0-5]\d)\s*", str(written))
    if not isinstance(written, str) or not found:
        raise ValueError(f"a time of day reads like '09:00', not {written!r}")
    return time(int(found[1]), int(found[2]))


TimeOfDay = Annotated[time, BeforeValidator(parse_time_of_day, json_schema_input_type=str)]


class Part(BaseModel):
    """A piece of a journey file: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)
