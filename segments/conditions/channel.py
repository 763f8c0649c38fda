"""`channel: NAME`: any own activity of the customer on one channel."""

from typing import ClassVar

from pydantic import field_validator
from sqlalchemy import Select

from segments.compilation import Compilation
from segments.conditions.acts import Acts
from segments.kinds import own_kinds


class Channel(Acts):
    """Own activity on this channel, counted as events are."""

    kind: ClassVar[str] = "channel"
    channel: str

    @field_validator("channel", mode="before")
    @classmethod
    def _one_name(cls, written: object) -> object:
        if not isinstance(written, str):
            raise ValueError("channel takes one name; for several write any: [{channel: …}, …]")
        return written

    @property
    def meant(self) -> str:
        return f"own activity on {self.channel}"

    @property
    def named_channels(self) -> tuple[str, ...]:
        return (self.channel,)

    def kinds(self, compilation: Compilation) -> Select[int]:
        return own_kinds(compilation.lexicon, self.channel)
