"""`channel: NAME`: any own activity of the customer on one channel."""

from typing import ClassVar

from pydantic import Field, field_validator

from segments.conditions.event import Where
from segments.conditions.occurrences import Acts


class Channel(Acts):
    """Own activity on this channel, counted as events are."""

    kind: ClassVar[str] = "channel"
    channel: str
    where: Where = Field(default_factory=dict)

    @field_validator("channel", mode="before")
    @classmethod
    def _one_name(cls, written: object) -> object:
        if not isinstance(written, str):
            raise ValueError("channel takes one name; for several write any: [{channel: …}, …]")
        return written

    @property
    def named_channels(self) -> tuple[str, ...]:
        return (self.channel,)
