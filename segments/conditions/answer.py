"""`answer: SURVEY`: what the customer last said."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import StrictBool, model_validator
from sqlalchemy import CTE, ColumnElement, Select, and_, case, func, select, true

from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase
from segments.conditions.fields import Number, Range, Stretch
from segments.conditions.possible import check_bounds
from segments.counting import Amount
from segments.instants import NULL_INSTANT, as_instant, length, micros
from segments.planning import looked_up_by
from segments.standing import stands_at
from segments.wording import bounds, moment, sentence, window
from store.tables import ANSWERED, answers

ANY = "any"


class Answer(ConditionBase):
    """The latest counting answer, or with `any: true` one of them, has such a score and age.

    Without a comparison any score will do. In a journey it speaks of this enrollment alone unless
    `ever: true`.
    """

    kind: ClassVar[str] = "answer"
    answer: str
    any: StrictBool = False
    exists: StrictBool | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    more_than: Number | None = None
    less_than: Number | None = None
    exactly: Number | None = None
    between: Range | None = None
    within: Stretch | None = None
    ever: StrictBool = False

    @property
    def heard_nouns(self) -> frozenset[str]:
        return frozenset({"survey"})

    @property
    def named_surveys(self) -> tuple[str, ...]:
        return () if self.answer == ANY else (self.answer,)

    @model_validator(mode="after")
    def _absent_has_no_score(self) -> Self:
        scores = ("at_least", "at_most", "more_than", "less_than", "exactly", "between")
        if self.exists is False and any(getattr(self, name) is not None for name in scores):
            raise ValueError("an answer that does not exist has no score to compare")
        check_bounds(Amount.of(self))
        return self

    @property
    def sentence(self) -> str:
        survey = "any survey" if self.answer == ANY else self.answer
        if self.exists is False:
            return sentence(f"no answer to {survey}", window(self.within, None))
        which = "an" if self.any else "the latest"
        score = bounds(Amount.of(self))
        when = window(self.within, None)
        return sentence(f"{which} answer to {survey}", score or "was given", when)

    def facts(self, compilation: Compilation) -> dict[str, Select[Any]]:
        given = self._given(compilation)
        own = _first(given, [given.c.answered_at.desc(), given.c.answer_id.desc()]).c
        return {"score": select(own.score), "answered_at": select(as_instant(own.answered_at))}

    def tell(self, found: Mapping[str, Any]) -> str:
        if found["answered_at"] is None:
            return "never answered"
        return f"the latest is {found['score']}, of {moment(found['answered_at'])}"

    def compile(self, compilation: Compilation) -> Verdict:
        found = compilation.leaf(self, lambda: self._leaf(compilation), on_nothing=False)
        return found.negated() if self.exists is False else found

    def _leaf(self, compilation: Compilation) -> Select[Any]:
        given = self._given(compilation)
        given = _first(given, [given.c.revision.desc()], given.c.message_id, given.c.survey)
        if not self.any:
            given = _first(given, [given.c.answered_at.desc(), given.c.answer_id.desc()])
        over_at = NULL_INSTANT if self.within is None else given.c.answered_at + length(self.within)
        is_fresh = true() if self.within is None else over_at > given.c.at
        counts = and_(Amount.of(self).admits(given.c.score), is_fresh)
        return select(
            given.c.id,
            func.max(case((counts, 1), else_=0)).label("holds"),
            func.max(case((counts, over_at))).label("next_check_at"),
        ).group_by(given.c.id)

    def _given(self, compilation: Compilation) -> CTE:
        """Every revision that counts, as known at the subject's instant."""
        mine = compilation.subjects.c
        return (
            select(
                mine.id,
                mine.at,
                answers.c.id.label("answer_id"),
                answers.c.message_id,
                answers.c.survey,
                answers.c.revision,
                answers.c.score,
                micros(answers.c.answered_at).label("answered_at"),
            )
            .join(answers, self._owner(compilation))
            .where(
                stands_at(ANSWERED, answers.c.id, answers.c.is_counted, compilation),
                compilation.seen_at(micros(answers.c.answered_at), micros(answers.c.known_at))
                <= mine.at,
                *([] if self.answer == ANY else [answers.c.survey == self.answer]),
            )
            .cte()
        )

    def _owner(self, compilation: Compilation) -> ColumnElement[bool]:
        if compilation.is_alone and not self.ever:
            return answers.c.enrollment_id == compilation.subjects.c.id
        return answers.c.customer_id == looked_up_by(compilation.subjects.c.customer_id)


def _first(given: CTE, order: list[ColumnElement[Any]], *parts: ColumnElement[Any]) -> CTE:
    """The first in that order of each subject, or of each of its parts that agree in these."""
    place = func.row_number().over(partition_by=(given.c.id, *parts), order_by=order)
    kept = [column for column in given.c if column.name != "place"]
    ranked = select(*kept, place.label("place")).cte()
    return select(ranked).where(ranked.c.place == 1).cte()
