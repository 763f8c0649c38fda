"""`message: TEMPLATE`: mails of ours and what became of them."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, StrictBool, model_validator
from sqlalchemy import CTE, ColumnElement, Select, and_, case, func, not_, or_, select

from segments.compilation import Compilation, Verdict
from segments.conditions.occurrences import Occurrences
from segments.counting import count
from segments.instants import Micros, greatest, micros
from segments.planning import looked_up_by
from segments.standing import stands_at
from segments.wording import sentence, shortfall, times, window
from store.tables import REPORTED, delivery_events, messages

ANY = "any"
Outcome = Literal["sent", "delivered", "opened", "clicked", "bounced"]
OUTCOMES: tuple[Outcome, ...] = ("sent", "delivered", "opened", "clicked", "bounced")


class Message(Occurrences):
    """Mails of this template (or `any`) that came so far, counted as events are.

    Without an outcome, sent. Opens and clicks by machines never count. In a journey it speaks of
    this enrollment alone unless `ever: true`.
    """

    kind: ClassVar[str] = "message"
    message: str
    sent: StrictBool | None = None
    delivered: StrictBool | None = None
    opened: StrictBool | None = None
    clicked: StrictBool | None = None
    bounced: StrictBool | None = None
    ever: StrictBool = Field(False, description="inside a journey: all mails of the customer")

    @property
    def outcome(self) -> Outcome:
        return next((name for name in OUTCOMES if getattr(self, name)), "sent")

    @property
    def heard_nouns(self) -> frozenset[str]:
        return frozenset({"message"})

    @property
    def named_templates(self) -> tuple[str, ...]:
        return () if self.message == ANY else (self.message,)

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        written = [name for name in OUTCOMES if getattr(self, name) is not None]
        if any(getattr(self, name) is False for name in written):
            raise ValueError(f"write not: {{message: …, {written[0]}: true}} instead of false")
        if len(written) > 1:
            raise ValueError(f"only one of {', '.join(written)} can be asked at once; use all: […]")
        return self

    @property
    def sentence(self) -> str:
        mail = "any mail" if self.message == ANY else f"mail {self.message}"
        when = window(self.within, self.older_than, self.since, self.until)
        often = times(self.amount)
        if often == "never":
            return sentence(f"{mail} never {self.outcome}", when)
        return sentence(f"{mail} {self.outcome}", often, when)

    def facts(self, compilation: Compilation) -> dict[str, Select[Any]]:
        own = self._stretches(compilation).c
        runs = and_(own.begins <= own.at, or_(own.ends.is_(None), own.ends > own.at))
        return {"number": select(func.count(case((runs, own.id))))}

    def tell(self, found: Mapping[str, Any]) -> str:
        return f"{found['number']:g} {self.outcome}"

    def lacks(self, found: Mapping[str, Any]) -> str:
        return shortfall(found["number"], self.amount)

    def compile(self, compilation: Compilation) -> Verdict:
        return compilation.leaf(
            self,
            lambda: count(self._stretches(compilation), self.amount),
            on_nothing=self.amount.admits_nothing(),
        )

    def _stretches(self, compilation: Compilation) -> CTE:
        mails = self._mails(compilation)
        if self.outcome == "sent":
            sent_at = micros(messages.c.sent_at)
            return self._counted(compilation, mails, sent_at, sent_at)
        theirs = delivery_events.c.message_id == messages.c.id
        by_people = stands_at(
            REPORTED,
            delivery_events.c.id,
            not_(delivery_events.c.is_machine),
            compilation,
        )
        return self._counted(
            compilation,
            mails.join(delivery_events, theirs).where(
                delivery_events.c.kind == self.outcome, by_people
            ),
            micros(delivery_events.c.occurred_at),
            # a report may come before we know that the mail was taken
            greatest(micros(delivery_events.c.known_at), micros(messages.c.sent_at)),
        )

    def _counted(
        self, compilation: Compilation, mails: Select[Any], happened_at: Micros, known_at: Micros
    ) -> CTE:
        own = compilation.subjects.c
        seen_at = compilation.seen_at(happened_at, known_at)
        return (
            mails.where(*self.bounds(happened_at, own.at, compilation.lexicon.zone))
            .add_columns(
                own.id,
                own.at,
                self.begins(happened_at, seen_at).label("begins"),
                self.ends(happened_at).label("ends"),
            )
            .cte()
        )

    def _mails(self, compilation: Compilation) -> Select[Any]:
        """The subjects' mails of this template that the provider took."""
        statement = (
            select()
            .select_from(compilation.subjects)
            .join(messages, self._owner(compilation))
            .where(messages.c.sent_at.is_not(None))
        )
        if self.message == ANY:
            return statement
        return statement.where(messages.c.template == self.message)

    def _owner(self, compilation: Compilation) -> ColumnElement[bool]:
        if compilation.is_alone and not self.ever:
            return messages.c.enrollment_id == compilation.subjects.c.id
        return messages.c.customer_id == looked_up_by(compilation.subjects.c.customer_id)
