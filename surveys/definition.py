"""A survey file as a typed object."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from rekindle.durations import Duration

SCALES: Mapping[str, range] = {"csat": range(1, 6), "nps": range(11), "ces": range(1, 8)}
LATER_KINDS = ("choice", "text")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


def _by_locale(written: Any) -> Any:
    if isinstance(written, str):
        raise ValueError('a text is written once a language, as in {en: "…"}')
    return written


Texts = Annotated[Mapping[str, str], BeforeValidator(_by_locale)]  # locale -> text


def _known_kind(written: Any) -> Any:
    if written in LATER_KINDS:
        raise ValueError(f"surveys of the kind '{written}' are not there yet in this version")
    return written


Kind = Annotated[Literal["csat", "nps", "ces"], BeforeValidator(_known_kind)]


def _some_time(written: timedelta) -> timedelta:
    if not written:
        raise ValueError("links that never work are of no use; write, say, '14 days'")
    return written


class Part(BaseModel):
    """A piece of a survey file: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class FollowUp(Part):
    """What is asked beside the comment, by how the score turned out."""

    low: Texts = Field(default_factory=dict)
    mid: Texts = Field(default_factory=dict)
    high: Texts = Field(default_factory=dict)


class Survey(Part):
    """One question with a score, and room for a comment; texts not given are our own wordings."""

    survey: Name
    kind: Kind
    description: str = ""
    note: str = ""
    topic: Name = "surveys"  # governs its mails, whatever the journey's topic
    question: Texts = Field(default_factory=dict)
    follow_up: FollowUp = FollowUp()
    solved: bool = False  # also asks whether the problem is solved
    expires: Annotated[Duration, AfterValidator(_some_time)] = timedelta(days=14)

    @property
    def scores(self) -> range:
        """Every score a customer may give, lowest first."""
        return SCALES[self.kind]
