"""A rule on its way to becoming one statement: its subjects, its leaves, and what they may see."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    cast,
    column,
    func,
    literal_column,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)

from segments.dates import add_columns, add_local_day, day_start, number
from segments.instants import NULL_INSTANT, Micros, as_instant, micros
from segments.lexicon import Lexicon
from segments.planning import looked_up_by
from segments.subjects import Scope, Sort, Subjects
from segments.values import JsonValue
from store.tables import decisions, events


@dataclass(frozen=True)
class Verdict:
    """What a condition says of each subject, as two expressions."""

    holds: ColumnElement[bool]  # never NULL
    next_check_at: Micros  # NULL: time alone never changes it


@dataclass(frozen=True)
class Leaf:
    """A condition without parts: a statement of id, holds (0 or 1) and next_check_at."""

    number: int
    statement: Select[Any]

    def verdict(self, *, on_nothing: bool) -> Verdict:
        """Read from the gathered row of a subject; `on_nothing` is what holds without a row."""
        found = func.coalesce(column(f"holds_{self.number}", Integer), int(on_nothing))
        return Verdict(found == 1, column(f"check_{self.number}", BigInteger))

    def rows(self) -> Select[Any]:
        """Its rows, marked with its number."""
        found = self.statement.subquery()
        return select(
            found.c.id, _number(self.number).label("leaf"), found.c.holds, found.c.next_check_at
        )

    def gathered(self, rows: CTE) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        is_mine = rows.c.leaf == _number(self.number)
        return (
            func.max(case((is_mine, rows.c.holds))).label(f"holds_{self.number}"),
            func.max(case((is_mine, rows.c.next_check_at))).label(f"check_{self.number}"),
        )


@dataclass(frozen=True)
class Compilation:
    """The state of compiling one rule.

    Every leaf is one grouped statement over all subjects; one that occurs twice is computed once.
    What they find is gathered by grouping, never by joining them: a planner that has no statistics
    yet, as after a large import, joins in quadratic time.
    """

    subjects: CTE  # id, customer_id, at, …
    sort: Sort
    lexicon: Lexicon
    scope: Scope = Scope.HISTORY
    per: str | None = None  # the property that ties events to the enrollment's key
    is_alone: bool = False  # messages and answers of this enrollment only
    leaves: dict[str, Leaf] = field(default_factory=dict)  # shared by all views of one rule
    passed: tuple[str, ...] = ()  # segments on the way here, to stop at a circle

    @classmethod
    def begin(
        cls,
        subjects: Subjects,
        lexicon: Lexicon,
        scope: Scope,
        per: str | None,
        name: str = "subjects",
    ) -> "Compilation":
        is_alone = subjects.sort is Sort.ENROLLMENT
        cte = subjects.select.cte(name)
        own_per = per if is_alone else None
        return cls(cte, subjects.sort, lexicon, scope, own_per, is_alone)

    @property
    def at(self) -> Micros:
        return self.subjects.c.at

    def with_days(self) -> CTE:
        """The subjects, and the first instants of their day in the brand's zone and of the next."""
        zone = self.lexicon.zone
        dated = add_local_day(self.subjects, "at", zone, name="day")
        day = dated.c.day
        return add_columns(
            dated, today=day_start(day, zone), tomorrow=day_start(day + number(1), zone)
        )

    def of_segment(self, name: str) -> "Compilation":
        """The view in which another segment is asked: all of history, no ties to a journey."""
        return replace(
            self, scope=Scope.HISTORY, per=None, is_alone=False, passed=(*self.passed, name)
        )

    def since_start(self) -> "Compilation":
        return replace(self, scope=Scope.SINCE_START)

    def leaf(self, key: object, build: Callable[[], Select[Any]], *, on_nothing: bool) -> Verdict:
        """The verdict of a leaf, made by `build` unless an equal view has an equal one."""
        name = repr((key, self.scope, self.per, self.is_alone))
        if name not in self.leaves:
            self.leaves[name] = Leaf(len(self.leaves) + 1, build())
        return self.leaves[name].verdict(on_nothing=on_nothing)

    def finish(self, verdict: Verdict) -> Select[Any]:
        """The whole statement: id, holds, next_check_at for every subject."""
        nothing = cast(null(), Integer).label("holds"), NULL_INSTANT.label("next_check_at")
        everybody = select(self.subjects.c.id, _number(0).label("leaf"), *nothing)
        leaves = list(self.leaves.values())
        rows = union_all(everybody, *(leaf.rows() for leaf in leaves)).cte("found")
        columns = [made for leaf in leaves for made in leaf.gathered(rows)]
        gathered = select(rows.c.id, *columns).group_by(rows.c.id).cte("gathered")
        return select(
            gathered.c.id,
            type_coerce(verdict.holds, Boolean).label("holds"),
            as_instant(verdict.next_check_at).label("next_check_at"),
        )

    def events_of(self, kinds: Select[int], *, since_step: str | None = None) -> Select[Any]:
        """Subjects joined to those events that this view may see, columns still to choose."""
        statement = (
            select()
            .select_from(self.subjects)
            .join(events, events.c.customer_id == looked_up_by(self.subjects.c.customer_id))
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
        """When each enrollment last decided that step."""
        decided_at = func.max(micros(decisions.c.decided_at)).label("reached_at")
        return (
            select(self.subjects.c.id, decided_at)
            .join(decisions, decisions.c.enrollment_id == self.subjects.c.id)
            .where(decisions.c.step == step)
            .group_by(self.subjects.c.id)
            .cte()
        )


def _number(value: int) -> ColumnElement[int]:
    return literal_column(str(value), Integer)
