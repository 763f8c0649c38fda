"""Rules asked in rounds: what leaves few first, the rest only about those still undecided.

What the leaves of a round find is gathered by grouping, never by joining them: a planner that has
no statistics yet, as after a large import, joins in quadratic time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    cast,
    func,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)

from segments.compilation import Compilation, Leaf, Round, Verdict
from segments.conditions.base import ConditionBase
from segments.folding import every, is_never, opposite
from segments.instants import as_instant
from segments.sources import Source

Columns = Sequence[ColumnElement[Any]]


@dataclass(frozen=True)
class Asked:
    """A condition, and what the columns of its answer are called."""

    condition: ConditionBase
    holds: str = "holds"
    next_check_at: str = "next_check_at"


def ask(asked: Sequence[Asked], compilation: Compilation, *, everybody: bool) -> Select[Any]:
    """The subjects' ids with the answers to all that is asked.

    Unless `everybody` is wanted, those are left out for whom nothing holds, for good.
    """
    for one in asked:
        one.condition.compile(compilation)  # enters its leaves
    rounds = sorted({leaf.round for leaf in compilation.book.leaves.values()}) or [Round.SEED]
    answers: list[Select[Any]] = []
    asking = compilation
    for each in rounds:
        view = replace(asking, round=each)
        is_only = len(rounds) == 1  # nobody is asked anything more
        needs_all = (
            bool(answers) or everybody or not _says_no_to_nobody(asked, view, is_only=is_only)
        )
        gathered, verdicts = _gathered(asked, view, needs_all=needs_all)
        known = every(verdict.is_known for verdict in verdicts)
        answer = _answer(asked, verdicts, gathered)
        answers.append(answer if each is rounds[-1] else answer.where(known))
        asking = compilation.about(select(gathered).where(opposite(known)).cte())
    return _read(asked, union_all(*answers).subquery(), everybody=everybody)


def _says_no_to_nobody(asked: Sequence[Asked], view: Compilation, *, is_only: bool) -> bool:
    """Whether all that is asked is false, for good, of whoever no leaf of this round found.

    In a round that others follow only families tell of their subjects what these need.
    """
    in_families = {name for members in view.book.families.values() for name in members}
    if not is_only and not set(view.due) <= in_families:
        return False
    verdicts = [one.condition.compile(replace(view, is_of_nobody=True)) for one in asked]
    return all(is_never(opposite(one.is_known)) and is_never(one.holds) for one in verdicts)


def _gathered(
    asked: Sequence[Asked], view: Compilation, *, needs_all: bool
) -> tuple[CTE, list[Verdict]]:
    """One row for each subject with all columns of leaves so far, and what they say together."""
    is_family = any(set(view.due) == set(members) for members in view.book.families.values())
    view = replace(view, tells_of_all=needs_all and is_family)
    before = set(view.book.sources)
    verdicts = [one.condition.compile(view) for one in asked]
    found = [source for name, source in view.book.sources.items() if name not in before]
    columns = [*view.subjects.c, *_columns_of(view)]
    return _rows(view, found, columns, needs_all=needs_all).cte(), verdicts


def _rows(
    view: Compilation, found: Sequence[Source], columns: Columns, *, needs_all: bool
) -> Select[Any] | CompoundSelect[Any]:
    """What was found of each subject; a source that tells everything needs no gathering."""
    match found:
        case [Source(parts, whole, tells_of_all)] if whole is not None and (
            tells_of_all or not needs_all
        ):
            rest = [_grouped(parts, columns)] if parts else []
            return union_all(_aligned(whole, columns), *rest)
    own = [select(view.subjects)] if needs_all else []
    return _grouped([*own, *(each for one in found for each in one.statements)], columns)


def _grouped(sources: Sequence[Select[Any]], columns: Columns) -> Select[Any]:
    """What they say of each subject, in one row."""
    rows = union_all(*(_aligned(source, columns) for source in sources)).cte()
    told = [func.max(rows.c[each.name]).label(each.name) for each in columns if each.name != "id"]
    return select(rows.c.id, *told).group_by(rows.c.id)


def _columns_of(view: Compilation) -> list[Column[Any]]:
    """Those that the leaves of this round add."""
    return [column for name in view.due for column in _named(view.book.leaves[name])]


def _named(leaf: Leaf) -> tuple[Column[Any], Column[Any]]:
    holds, check = leaf.names
    return Column(holds, Integer), Column(check, BigInteger)


def _aligned(source: Select[Any], columns: Columns) -> Select[Any]:
    """Its rows under all of `columns`, NULL where it has nothing to say."""
    found = source.subquery()
    return select(
        *(
            found.c[each.name] if each.name in found.c else cast(null(), each.type).label(each.name)
            for each in columns
        )
    )


def _answer(asked: Sequence[Asked], verdicts: Sequence[Verdict], gathered: CTE) -> Select[Any]:
    columns = [
        column
        for one, verdict in zip(asked, verdicts, strict=True)
        for column in (
            verdict.holds.label(one.holds),
            verdict.next_check_at.label(one.next_check_at),
        )
    ]
    return select(gathered.c.id, *columns)


def _read(asked: Sequence[Asked], found: Any, *, everybody: bool) -> Select[Any]:
    columns: list[ColumnElement[Any]] = [found.c.id]
    matters: list[ColumnElement[bool]] = []
    for one in asked:
        holds, check = found.c[one.holds], found.c[one.next_check_at]
        columns += [
            type_coerce(holds, Boolean).label(one.holds),
            as_instant(check).label(check.name),
        ]
        matters += [holds, check.is_not(None)]
    statement = select(*columns)
    return statement if everybody else statement.where(or_(*matters))
