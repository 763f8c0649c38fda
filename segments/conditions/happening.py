"""Which events are meant, where how often and when is asked otherwise: trends and sequences."""

from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from segments.conditions.acts import Acts
from segments.conditions.channel import Channel
from segments.conditions.event import Event
from segments.conditions.fields import EventNames
from segments.conditions.properties import Where


class Happening(BaseModel):
    """Events of these names, or any own activity on a channel, with such properties."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    event: EventNames | None = None
    channel: str | None = None
    where: Where = Field(default_factory=dict)

    @property
    def named_events(self) -> tuple[str, ...]:
        acts = self.acts()
        return acts.named_events

    @property
    def named_channels(self) -> tuple[str, ...]:
        return (self.channel,) if self.channel else ()

    @property
    def moves(self) -> bool:
        """Whether `where` asks dates in ways that time alone changes."""
        return any(asked.moves for asked in self.where.values())

    def acts(self, within: timedelta | None = None) -> Acts:
        """The condition that counts them, at most so far back."""
        if self.event is None:
            return Channel(channel=self.channel or "", where=self.where, within=within)
        return Event(event=self.event, channel=self.channel, where=self.where, within=within)

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.event is None and self.channel is None:
            raise ValueError("which events are meant? Write event: NAME or channel: NAME")
        if self.event and "any" in self.event and len(self.event) > 1:
            raise ValueError("'any' already means every own activity; leave the other names out")
        return self
