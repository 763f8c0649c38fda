"""The words of one workspace that rules lean on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

from rekindle.settings import Settings

if TYPE_CHECKING:  # conditions are compiled with a lexicon in hand
    from segments.definition import Segment


@dataclass(frozen=True)
class Lexicon:
    """What the names in a rule stand for; days in dates belong to `zone`."""

    own_channels: frozenset[str]  # channels that people use themselves
    goal_events: tuple[str, ...]  # what the goal clock counts, globs allowed
    zone: ZoneInfo
    segments: Mapping[str, "Segment"]
    value: str = "total"  # the property of a goal's event that says what it was worth
    # statements by what they ask: see `segments.prepared`
    prepared: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, settings: Settings, segments: Mapping[str, "Segment"]) -> Self:
        activity, zone = settings.activity, settings.brand.tz
        goal = tuple(name.lower() for name in activity.goal)
        return cls(frozenset(activity.any), goal, zone, segments, activity.value)
