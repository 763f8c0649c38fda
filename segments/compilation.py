"""A rule on its way to becoming one statement: its subjects, its leaves, and what they may see."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    and_,
    false,
    func,
    or_,
    select,
    true,
)

from segments.instants import Micros, as_instant, micros
from segments.lexicon import Lexicon
from segments.subjects import Scope, Sort, Subjects
from segments.values import JsonValue
from store.tables import decisions, events


@dataclass(frozen=True)
class Verdict:
    """What a condition says of each subject, as two expressions."""

    holds: ColumnElement[bool]  # never NULL
    next_check_at: Micros  # NULL: time alone never changes it


@dataclass(frozen=True)
class Compilation:
    """The state of compiling one rule.

    Every leaf is one grouped statement (id, holds, next_check_at) over all subjects, joined to them once;
    a leaf that occurs twice is computed once. Subjects without a row in a leaf get its verdict on nothing.
    """

    subjects: CTE  # id, customer_id, at, …
    sort: Sort
    lexicon: Lexicon
    scope: Scope = Scope.HISTORY
    per: str | None = None  # the property that ties events to the enrollment's key
    is_alone: bool = False  # messages and answers of this enrollment only
    leaves: dict[str, CTE] = field(default_factory=dict)  # shared by all views of one compilation
    passed: tuple[str, ...] = ()  # segments on the way here, to stop at a cycle

    @classmethod
    def begin(
        cls, subjects: Subjects, lexicon: Lexicon, scope: Scope, per: str | None
    ) -> "Compilation":
        is_alone = subjects.sort is Sort.ENROLLMENT
        cte = subjects.select.cte("subjects")
        return cls(cte, subjects.sort, lexicon, scope, per if is_alone else None, is_alone)

    @property
    def at(self) -> Micros:
        return self.subjects.c.at

    def of_segment(self, name: str) -> "Compilation":
        """The view in which another segment's rule is asked: all of history, no ties to a journey."""
        return replace(
            self, scope=Scope.HISTORY, per=None, is_alone=False, passed=(*self.passed, name)
        )

    def since_start(self) -> "Compilation":
        return replace(self, scope=Scope.SINCE_START)

    def leaf(self, key: object, build: Callable[[], Select[Any]], *, on_nothing: bool) -> Verdict:
        """The verdict of a statement with the columns id, holds and next_check_at.

        Equal keys in equal views share one. `on_nothing` is what holds without a row.
        """
        name = repr((key, self.scope, self.per, self.is_alone))
        if name not in self.leaves:
            self.leaves[name] = build().cte(f"leaf_{len(self.leaves) + 1}")
        found = self.leaves[name]
        default = true() if on_nothing else false()
        return Verdict(func.coalesce(found.c.holds, default), found.c.next_check_at)

    def finish(self, verdict: Verdict) -> Select[Any]:
        """The whole statement: id, holds, next_check_at for every subject."""
        joined: FromClause = self.subjects
        for leaf in self.leaves.values():
            joined = joined.outerjoin(leaf, leaf.c.id == self.subjects.c.id)
        return select(
            self.subjects.c.id,
            verdict.holds.label("holds"),
            as_instant(verdict.next_check_at).label("next_check_at"),
        ).select_from(joined)

    def events_of(self, kinds: Select[int], *, since_step: str | None = None) -> Select[Any]:
        """Subjects joined to those of their events that this view may see, columns still to choose."""
        statement = (
            select()
            .select_from(self.subjects)
            .join(events, events.c.customer_id == self.subjects.c.customer_id)
            .where(events.c.kind_id.in_(kinds), *self._ties())
        )
        if since_step is None:
            return statement
        reached = self._reached(since_step)
        return statement.join(reached, reached.c.id == self.subjects.c.id).where(
            micros(events.c.occurred_at) >= reached.c.reached_at
        )

    def _ties(self) -> list[ColumnElement[bool]]:
        mine = self.subjects.c
        ties: list[ColumnElement[bool]] = []
        if self.sort is Sort.EVENT:
            ties.append(events.c.id == mine.event_id)
        if self.per is not None:
            ties.append(JsonValue.named(events.c.properties, self.per).plain == mine.key)
        if self.scope is not Scope.HISTORY and self.sort is Sort.ENROLLMENT:
            occurred_at = micros(events.c.occurred_at)
            next_in_order = and_(occurred_at == mine.started_at, events.c.id > mine.event_id)
            ties.append(or_(occurred_at > mine.started_at, next_in_order))
            if self.scope is Scope.SINCE_ARRIVAL:
                ties.append(occurred_at >= mine.arrived_at)
        return ties

    def _reached(self, step: str) -> CTE:
        return (
            select(self.subjects.c.id, micros(func.max(decisions.c.decided_at)).label("reached_at"))
            .join(decisions, decisions.c.enrollment_id == self.subjects.c.id)
            .where(decisions.c.step == step)
            .group_by(self.subjects.c.id)
            .cte()
        )
