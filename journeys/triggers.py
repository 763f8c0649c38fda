"""What starts a journey, and what takes a customer out of it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from journeys.parts import Name, Part, TimeOfDay
from rekindle.durations import Duration
from rekindle.settings import near_zone
from segments.conditions.fields import EventNames
from segments.conditions.properties import Where
from segments.definition import Condition

BRAND = "brand"  # the zone of a calendar start that names none


class OnEvent(Part):
    """Starts with an event; `where` narrows it by properties."""

    event: EventNames
    where: Where = Field(default_factory=dict)

    @field_validator("event")
    @classmethod
    def _names_its_events(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "any" in names:
            raise ValueError("a start names its events; 'any' would start at everything")
        return names

    def names(self, event: str) -> bool:
        """Whether it is about events so called; only `*` is special: any run of characters."""
        globs = (".*".join(map(re.escape, written.lower().split("*"))) for written in self.event)
        return any(re.fullmatch(glob, event) for glob in globs)


class OnEnters(Part):
    """Starts, or ends, with entering a segment."""

    enters: Name


class OnLeaves(Part):
    """Starts, or ends, with leaving a segment."""

    leaves: Name


def _known_cron(written: str) -> str:
    """Five fields of cron. Raises ValueError naming the one that is wrong."""
    try:
        next(CronSim(written, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"'{written}' is no cron rule such as '0 9 1 * *': {error}") from error
    return written


def _known_zone(written: str) -> str:
    if written != BRAND and written not in available_timezones():
        said = f"no time zone is called {written!r}; write 'brand' for your own."
        raise ValueError(said + near_zone(written))
    return written


class Rule(Part):
    """A rule of the calendar: everybody in a segment, at the minutes that a cron rule names."""

    cron: Annotated[str, AfterValidator(_known_cron)]
    for_: Name = Field(alias="for")
    zone: Annotated[str, AfterValidator(_known_zone)] = BRAND


class OnCalendar(Part):
    """Starts everybody in a segment at certain times: the first of a quarter, every Monday."""

    every: Rule


class Day(Part):
    """A day that the customer's own trait names, or so long before or after it."""

    trait: str
    before: Duration = timedelta(0)
    after: Duration = timedelta(0)
    every: Literal["year"] | None = None
    at: TimeOfDay = time(9)

    @model_validator(mode="after")
    def _counts_whole_days(self) -> Self:
        if self.before and self.after:
            raise ValueError("write 'before' or 'after', not both")
        if (self.before + self.after) % timedelta(days=1):
            raise ValueError("this counts whole days; the time of day is 'at'")
        return self


class OnDay(Part):
    """Starts on a day that the customer's own trait names, where the customer lives."""

    on: Day


class OnApi(Part):
    """Starts when another program, or a person, says so."""

    api: Literal[True]

    @field_validator("api", mode="before")
    @classmethod
    def _is_plain(cls, written: object) -> object:
        if written is not True:
            raise ValueError("this start is written 'api', without more")
        return written


def _trigger_kind(trigger: object) -> str | None:
    if isinstance(trigger, Part):
        return next(iter(type(trigger).model_fields))
    if isinstance(trigger, Mapping):
        return next((key for key in TRIGGERS if key in trigger), None)
    return None


TRIGGERS = ("event", "enters", "leaves", "every", "on", "api")


def _spelled_out(trigger: Any) -> Any:
    """`- api` is short for `- api: true`."""
    return {"api": True} if trigger == "api" else trigger


Trigger = Annotated[
    Annotated[
        Annotated[OnEvent, Tag("event")]
        | Annotated[OnEnters, Tag("enters")]
        | Annotated[OnLeaves, Tag("leaves")]
        | Annotated[OnCalendar, Tag("every")]
        | Annotated[OnDay, Tag("on")]
        | Annotated[OnApi, Tag("api")],
        Discriminator(
            _trigger_kind,
            custom_error_type="unknown_start",
            custom_error_message="a start is one of: " + ", ".join(TRIGGERS),
        ),
    ],
    BeforeValidator(_spelled_out),
]


def _exit_kind(written: object) -> str:
    return kind if (kind := _trigger_kind(written)) in ("enters", "leaves") else "condition"


ExitRule = Annotated[
    Annotated[OnEnters, Tag("enters")]
    | Annotated[OnLeaves, Tag("leaves")]
    | Annotated[Condition, Tag("condition")],
    Discriminator(_exit_kind),
]
