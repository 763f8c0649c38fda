"""`message: TEMPLATE`: mails of ours and what became of them."""

from typing import ClassVar, Literal, Self

from pydantic import Field, StrictBool, model_validator

from segments.conditions.occurrences import Occurrences

ANY = "any"
Outcome = Literal["sent", "delivered", "opened", "clicked", "bounced"]
OUTCOMES: tuple[Outcome, ...] = ("sent", "delivered", "opened", "clicked", "bounced")


class Message(Occurrences):
    """Mails of this template (or `any`) that came so far, counted as events are; machines never count.

    Without an outcome, sent. In a journey it speaks of this enrollment alone unless `ever: true`.
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
