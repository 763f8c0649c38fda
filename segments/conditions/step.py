"""`step: ID`: what became of an earlier step of this enrollment; only in journeys."""

from typing import Any, ClassVar, Literal

from sqlalchemy import ColumnElement, Select, case, func, select

from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase
from segments.instants import NULL_INSTANT
from segments.subjects import Sort
from store.tables import messages


class StepOutcome(ConditionBase):
    """The mail of the step's latest visit was taken by the provider, refused, or nobody knows."""

    kind: ClassVar[str] = "step"
    step: str
    outcome: Literal["sent", "refused", "uncertain"]

    @property
    def named_steps(self) -> tuple[str, ...]:
        return (self.step,)

    @property
    def sentence(self) -> str:
        return f"the mail of step {self.step} was {self.outcome}"

    def compile(self, compilation: Compilation) -> Verdict:
        """Raises ValueError outside a journey."""
        if compilation.sort is not Sort.ENROLLMENT:
            raise ValueError(f"the outcome of step {self.step!r} is known only inside a journey")
        return compilation.leaf(self, lambda: self._leaf(compilation), on_nothing=False)

    def _leaf(self, compilation: Compilation) -> Select[Any]:
        mine = compilation.subjects.c
        place = func.row_number().over(partition_by=mine.id, order_by=messages.c.visit.desc())
        visits = (
            select(
                mine.id,
                case((self._came_true(), 1), else_=0).label("holds"),
                place.label("place"),
            )
            .join(messages, messages.c.enrollment_id == mine.id)
            .where(messages.c.step == self.step)
            .cte()
        )
        latest = select(visits.c.id, visits.c.holds, NULL_INSTANT.label("next_check_at"))
        return latest.where(visits.c.place == 1)

    def _came_true(self) -> ColumnElement[bool]:
        if self.outcome == "sent":
            return messages.c.sent_at.is_not(None)
        return messages.c.status == self.outcome
