"""`event: NAME`: something the customer did, or that was done for them."""

from dataclasses import replace
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    case,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from segments.compilation import Compilation
from segments.conditions.acts import Acts
from segments.conditions.fields import EventNames, OneProperty
from segments.instants import NULL_INSTANT, Micros, micros, soonest
from segments.kinds import kinds_named, own_kinds
from segments.newest import Meant
from segments.planning import looked_up_by
from segments.subjects import Sort
from segments.values import JsonValue
from segments.wording import listed, sentence
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
    same: OneProperty | None = Field(None, description="the property by which an event answers")

    @property
    def is_any(self) -> bool:
        return self.event == (ANY,)

    @property
    def meant(self) -> str:
        names = "any own activity" if self.is_any else listed(self.event)
        on = f"on {self.channel}" if self.channel else ""
        if self.without_later is None:
            return sentence(names, on)
        return sentence(names, on, f"with no later {listed(self.without_later)} of {self.same}")

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

    @property
    def reads_inside(self) -> bool:
        return super().reads_inside or self.without_later is not None

    def _is_tallied(self, compilation: Compilation) -> bool:
        """Answers are looked up in all of a customer's history, as `stretches` does elsewhere."""
        looks_up = self.without_later is None or compilation.sort is Sort.CUSTOMER
        return looks_up and super()._is_tallied(compilation)

    def meant_in(self, compilation: Compilation) -> Meant:
        meant = super().meant_in(compilation)
        if self.without_later is None:
            return meant
        return replace(
            meant,
            asks=lambda one, at: [*meant.asks(one, at), ~self._is_answered(compilation, one, at)],
            answers=kinds_named(self.without_later),
        )

    def _is_answered(
        self, compilation: Compilation, one: FromClause, at: Micros
    ) -> ColumnElement[bool]:
        """Whether an event of the names that answer, with the same property, came later.

        One that is yet to come, or to become known, has answered nothing so far.
        """
        answer, tie = events.alias("answer"), self.same or ""
        occurred_at = micros(answer.c.occurred_at)
        is_later = or_(occurred_at > micros(one.c.occurred_at), answer.c.id > one.c.id)
        same = JsonValue.named(answer.c.properties, tie).as_id
        return (
            select(literal_column("1"))
            .where(
                answer.c.customer_id == one.c.customer_id,
                answer.c.kind_id.in_(kinds_named(self.without_later or ())),
                occurred_at >= micros(one.c.occurred_at),
                is_later,
                compilation.seen_at(occurred_at, micros(answer.c.known_at)) <= at,
                same == JsonValue.named(one.c.properties, tie).as_id,
            )
            .correlate_except(answer)
            .exists()
        )

    def kinds(self, compilation: Compilation) -> Select[int]:
        if self.is_any:
            return own_kinds(compilation.lexicon, self.channel)
        return kinds_named(self.event, self.channel)

    def stretches(self, compilation: Compilation) -> CTE:
        """What no later event answers counts on; the rest counts until it was answered."""
        if self.without_later is None:
            return super().stretches(compilation)
        lined_up = union_all(self._asked(compilation), self._answering(compilation)).cte()
        own = lined_up.c
        answered_at = func.min(case((own.is_answer == 1, own.begins))).over(
            partition_by=(own.id, own.tie),
            # backwards, which needs no look ahead; the same event may both ask and answer, but
            # never answers itself: as a question it stands before itself as an answer
            order_by=(own.occurred_at.desc(), own.event_id.desc(), own.is_answer),
            rows=(None, -1),
        )
        ends = soonest(own.ends, case((own.tie.is_not(None), answered_at)))
        kept = [column for column in own if column.name != "ends"]
        answered = select(*kept, ends.label("ends")).cte()
        still_counts = or_(answered.c.ends.is_(None), answered.c.ends > answered.c.at)
        return select(answered).where(answered.c.is_answer == 0, still_counts).cte()

    def _asked(self, compilation: Compilation) -> Select[Any]:
        occurred_at = micros(events.c.occurred_at)
        seen_at = compilation.seen_at(occurred_at, micros(events.c.known_at))
        return self.read(compilation).add_columns(
            self.begins(occurred_at, seen_at).label("begins"),
            self.ends(occurred_at).label("ends"),
            *self._order(is_answer=0),
        )

    def _answering(self, compilation: Compilation) -> Select[Any]:
        """All answers a subject has; when and on which channel does not matter."""
        mine, occurred_at = compilation.subjects.c, micros(events.c.occurred_at)
        return (
            select(
                mine.id,
                mine.at,
                *(null().label(name) for name in self.columns_read),
                compilation.seen_at(occurred_at, micros(events.c.known_at)).label("begins"),
                NULL_INSTANT.label("ends"),
                *self._order(is_answer=1),
            )
            .join(events, events.c.customer_id == looked_up_by(mine.customer_id))
            .where(events.c.kind_id.in_(kinds_named(self.without_later or ())))
        )

    def _order(self, *, is_answer: int) -> list[ColumnElement[Any]]:
        return [
            JsonValue.named(events.c.properties, self.same or "").as_id.label("tie"),
            micros(events.c.occurred_at).label("occurred_at"),
            events.c.id.label("event_id"),
            literal_column(str(is_answer), Integer).label("is_answer"),
        ]
