"""The one evaluator: a condition over a set of subjects becomes one SQLAlchemy Core statement."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select

from segments.compilation import Compilation
from segments.conditions.acts import Acts
from segments.conditions.base import ConditionBase
from segments.lexicon import Lexicon
from segments.rounds import Asked, ask
from segments.subjects import Scope, Subjects

__all__ = [
    "Lexicon", "Scope", "Subjects", "compile_condition", "compile_together",
    "compile_total",
]  # fmt: skip


def compile_condition(
    condition: ConditionBase,
    subjects: Subjects,
    lexicon: Lexicon,
    *,
    scope: Scope = Scope.HISTORY,
    per: str | None = None,
    everybody: bool = True,
) -> Select[Any]:
    """A row for every subject: id, holds, and next_check_at (None: time alone never changes it).
    Unless `everybody` is wanted, those are left out for whom it does not hold, for good.

    The check is never later than the first instant at which the passing of time can change the
    answer, and exactly that instant for a single counting or drift condition. `per` names the
    property whose value ties events to the enrollment's key.

    Raises ValueError for a segment that is not there or refers to itself.
    """
    compilation = Compilation.begin(subjects, lexicon, scope, per)
    return ask([Asked(condition)], compilation, everybody=everybody)


def compile_total(
    counted: Acts,
    of: str,
    subjects: Subjects,
    lexicon: Lexicon,
    *,
    scope: Scope = Scope.HISTORY,
    per: str | None = None,
) -> Select[Any]:
    """A row for each subject with any: id, and the `total` of a property over what is counted."""
    # named otherwise than in `compile_condition`: the two may stand in one statement
    compilation = Compilation.begin(subjects, lexicon, scope, per, name="counted_for")
    summing = counted.model_copy(update={"sum_of": of, "first": None, "last": None})
    return summing.total(compilation)


def compile_together(
    conditions: Sequence[ConditionBase], subjects: Subjects, lexicon: Lexicon
) -> Select[Any]:
    """A row for each customer for whom any of the conditions holds or may come to hold by time.

    Its columns are id and, of the n-th condition from 0, holds_n and next_check_n. Events that
    several conditions need are read once. Raises ValueError as `compile_condition` does.
    """
    asked = [Asked(one, *_answer_names(n)) for n, one in enumerate(conditions)]
    compilation = Compilation.begin(subjects, lexicon, Scope.HISTORY, per=None)
    return ask(asked, compilation, everybody=False)


def _answer_names(number: int) -> tuple[str, str]:
    """The columns of the n-th of several conditions."""
    return f"holds_{number}", f"next_check_{number}"
