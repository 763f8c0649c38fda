"""`event: NAME`: something the customer did, or that was done for them."""

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from sqlalchemy import CTE, Select, and_, func, or_, select

from segments.compilation import Compilation
from segments.conditions.acts import Acts
from segments.conditions.fields import EventNames, PropertyName
from segments.instants import greatest, micros, soonest
from segments.kinds import kinds_named, own_kinds
from segments.values import JsonValue
from store.tables import events

ANY = "any"


class Event(Acts):
    """Events of these names; `any` is every own activity. In names only `*` is special."""

    kind: ClassVar[str] = "event"
    event: EventNames
    channel: str | None = None
    without_later: EventNames | None = Field(
        None, description="count only what no later event of these names answers"
    )
    same: PropertyName | None = Field(None, description="the property by which an event answers")

    @property
    def is_any(self) -> bool:
        return self.event == (ANY,)

    @property
    def named_events(self) -> tuple[str, ...]:
        return (() if self.is_any else self.event) + (self.without_later or ())

    @property
    def named_channels(self) -> tuple[str, ...]:
        return (self.channel,) if self.channel else ()

    @model_validator(mode="after")
    def _any_stands_alone(self) -> Self:
        if ANY in self.event and len(self.event) > 1:
            raise ValueError("'any' already means every own activity; leave the other names out")
        return self

    @model_validator(mode="after")
    def _answers_need_a_tie(self) -> Self:
        if (self.without_later is None) != (self.same is None):
            raise ValueError("without_later and same need each other")
        if self.without_later and (self.first or self.last):
            raise ValueError("without_later counts; it cannot stand beside first or last")
        return self

    def kinds(self, compilation: Compilation) -> Select[int]:
        if self.is_any:
            return own_kinds(compilation.lexicon, self.channel)
        return kinds_named(self.event, self.channel)

    def stretches(self, compilation: Compilation) -> CTE:
        """What no later event answers counts on; the rest counts until it was answered."""
        if self.without_later is None:
            return super().stretches(compilation)
        asked = self._asked(compilation)
        answering = self._answering(compilation)
        later = or_(
            answering.c.occurred_at > asked.c.occurred_at,
            and_(
                answering.c.occurred_at == asked.c.occurred_at,
                answering.c.event_id > asked.c.event_id,
            ),
        )
        answers = and_(answering.c.id == asked.c.id, answering.c.tie == asked.c.tie, later)
        ends = soonest(asked.c.ends, func.min(answering.c.known_from)).label("ends")
        kept = [column for column in asked.c if column.name not in ("tie", "ends", "occurred_at")]
        return select(*kept, ends).outerjoin(answering, answers).group_by(*kept, asked.c.ends).cte()

    def _asked(self, compilation: Compilation) -> CTE:
        occurred_at = micros(events.c.occurred_at)
        return (
            self.found(compilation)
            .add_columns(
                events.c.id.label("event_id"),
                occurred_at.label("occurred_at"),
                self._tie(),
                self.begins(occurred_at, micros(events.c.known_at)).label("begins"),
                self.ends(occurred_at).label("ends"),
                *self.value(),
            )
            .cte()
        )

    def _answering(self, compilation: Compilation) -> CTE:
        """All later answers a subject has; when and on which channel does not matter."""
        occurred_at, mine = micros(events.c.occurred_at), compilation.subjects.c
        return (
            select(
                mine.id,
                events.c.id.label("event_id"),
                occurred_at.label("occurred_at"),
                greatest(occurred_at, micros(events.c.known_at)).label("known_from"),
                self._tie(),
            )
            .join(events, events.c.customer_id == mine.customer_id)
            .where(events.c.kind_id.in_(kinds_named(self.without_later or ())))
            .cte()
        )

    def _tie(self) -> Any:
        return JsonValue.named(events.c.properties, self.same or "").identity.label("tie")
