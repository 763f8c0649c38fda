"""The closed union of all kinds of conditions, and how a mapping finds its kind.

A condition is one mapping with exactly one kind key. The kind is chosen before anything else is
looked at, so that one mistake gives one error; union tags are written in parentheses because no
key of a file looks like that.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Tag

from segments.conditions import logic
from segments.conditions.answer import Answer
from segments.conditions.base import ConditionBase
from segments.conditions.channel import Channel
from segments.conditions.drift import Drift
from segments.conditions.event import Event
from segments.conditions.journey import InJourney
from segments.conditions.logic import All, AnyOf, Not
from segments.conditions.message import Message
from segments.conditions.rfm import Rfm
from segments.conditions.segment import InSegment
from segments.conditions.sequence import Sequence
from segments.conditions.step import StepOutcome
from segments.conditions.trait import Trait
from segments.conditions.trend import Trend

CLASSES: tuple[type[ConditionBase], ...] = (
    All, AnyOf, Not, Trait, Event, Channel, Drift, Sequence, Trend, InSegment, InJourney,
    Message, Answer, Rfm, StepOutcome,
)  # fmt: skip
KINDS = tuple(found.kind for found in CLASSES)
# keys that name a kind and, beside these others, qualify it
ALSO_QUALIFIERS = {"event": {"channel"}, "answer": {"any"}}


def _kind_keys(written: Mapping[Any, Any]) -> list[str]:
    keys = [key for key in KINDS if key in written]
    qualifiers = {also for key in keys for also in ALSO_QUALIFIERS.get(key, ())}
    return [key for key in keys if key not in qualifiers]


def _check_kind(written: object) -> object:
    if isinstance(written, ConditionBase):
        return written
    if not isinstance(written, Mapping):
        raise ValueError("a condition is a mapping such as {event: order.completed}")
    match _kind_keys(written):
        case [_]:
            return written
        case []:
            raise ValueError(_no_kind(written))
        case several:
            raise ValueError(
                f"a condition asks one thing; {' and '.join(several)} need an all: […]"
            )


def _no_kind(written: Mapping[Any, Any]) -> str:
    near = [n for key in written for n in get_close_matches(str(key), KINDS, n=1)]
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"a condition needs one of the keys {', '.join(KINDS)}.{hint}"


def _tag(written: object) -> str:
    if isinstance(written, ConditionBase):
        return f"({written.kind})"
    return f"({_kind_keys(written)[0]})" if isinstance(written, Mapping) else ""


Condition = Annotated[
    Annotated[All, Tag("(all)")]
    | Annotated[AnyOf, Tag("(any)")]
    | Annotated[Not, Tag("(not)")]
    | Annotated[Trait, Tag("(trait)")]
    | Annotated[Event, Tag("(event)")]
    | Annotated[Channel, Tag("(channel)")]
    | Annotated[Drift, Tag("(drift)")]
    | Annotated[Sequence, Tag("(sequence)")]
    | Annotated[Trend, Tag("(trend)")]
    | Annotated[InSegment, Tag("(segment)")]
    | Annotated[InJourney, Tag("(journey)")]
    | Annotated[Message, Tag("(message)")]
    | Annotated[Answer, Tag("(answer)")]
    | Annotated[Rfm, Tag("(rfm)")]
    | Annotated[StepOutcome, Tag("(step)")],
    Discriminator(_tag),
    BeforeValidator(_check_kind),
]

logic.Condition = Condition  # type: ignore[attr-defined]  # what its classes are made of
