"""A rule on its way to becoming one statement: its subjects, its leaves, and what they may see."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    column,
    false,
    func,
    or_,
    select,
    true,
)

from segments.folding import opposite
from segments.instants import NEVER, NULL_INSTANT, Micros, micros
from segments.lexicon import Lexicon
from segments.planning import looked_up_by
from segments.sources import Source
from segments.subjects import IdRange, Scope, Sort, Subjects
from segments.tallying import Tallied, tally
from segments.values import JsonValue
from store.tables import decisions, events


class Round(IntEnum):
    """When a leaf is asked: each round only about those whom the earlier ones left undecided."""

    SEED = 1  # what people must have done or be: it leaves few
    REST = 2  # what must not be
    COSTLY = 3  # what reads inside events


@dataclass(frozen=True)
class Verdict:
    """What a condition says of each subject, as expressions; nothing of it is NULL but the check.

    While rounds are still to come the answer of some subjects is not yet known, and the check of
    others is that of the parts known so far, which is never too late.
    """

    holds: ColumnElement[bool]
    next_check_at: Micros  # NULL: time alone never changes it
    is_known: ColumnElement[bool]

    def negated(self) -> "Verdict":
        return replace(self, holds=opposite(self.holds))


@dataclass(frozen=True)
class Leaf:
    """A condition without parts: two columns of the row that is gathered for each subject."""

    number: int
    round: Round

    @property
    def names(self) -> tuple[str, str]:
        return f"leaf_{self.number}", f"check_{self.number}"

    def verdict(self, *, on_nothing: bool) -> Verdict:
        """Read from the gathered row of a subject; `on_nothing` is what holds without an answer."""
        holds, check = self.names
        found = func.coalesce(column(holds, Integer), int(on_nothing))
        return Verdict(found == 1, column(check, BigInteger), true())


@dataclass(frozen=True)
class Book:
    """The leaves that rules asked for; what occurs twice, in one rule or several, is one leaf."""

    leaves: dict[str, Leaf] = field(default_factory=dict)
    families: dict[str, dict[str, Tallied]] = field(default_factory=dict)  # counted in one pass
    sources: dict[str, Source] = field(default_factory=dict)  # of each leaf or family

    def enter(self, name: str, asked_in: Round) -> None:
        known = self.leaves.get(name) or Leaf(len(self.leaves) + 1, asked_in)
        self.leaves[name] = replace(known, round=min(known.round, asked_in))

    def enter_tallied(self, family: str, name: str, asked_in: Round, one: Tallied) -> None:
        """A family is asked as early as the first of its members."""
        self.enter(name, asked_in)
        members = self.families.setdefault(family, {})
        members[name] = one
        earliest = min(self.leaves[each].round for each in members)
        for each in members:
            self.enter(each, earliest)


@dataclass(frozen=True)
class Compilation:
    """One view of the state of compiling rules.

    Rules are compiled once to see what they ask, with no round, and then once more for each round.
    """

    subjects: CTE  # id, customer_id, at, …
    sort: Sort
    lexicon: Lexicon
    scope: Scope = Scope.HISTORY
    per: str | None = None  # the property that ties events to the enrollment's key
    is_alone: bool = False  # messages and answers of this enrollment only
    is_negated: bool = False
    round: Round | None = None
    is_of_nobody: bool = False  # as if no leaf of this round had found anything
    range: IdRange | None = None  # of the subjects, where they are all customers of one
    known_by: Micros = NEVER  # when all that is stored is known at the latest
    tells_of_all: bool = False  # a family also tells of whoever has none of its events
    book: Book = field(default_factory=Book)  # shared by all views
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
        # Customers are read in order of ids wherever they are needed. Not the others: SQLite 3.40
        # loses rows where the outer joins they are made of are moved into another statement.
        once = "NOT MATERIALIZED" if subjects.sort is Sort.CUSTOMER else "MATERIALIZED"
        cte = subjects.select.cte(name).prefix_with(once)
        own_per = per if is_alone else None
        return cls(
            cte,
            subjects.sort,
            lexicon,
            scope,
            own_per,
            is_alone,
            range=subjects.range,
            known_by=subjects.known_by,
        )

    @property
    def at(self) -> Micros:
        return self.subjects.c.at

    def known_at(self, stored: Micros) -> Micros:
        """When something was known, by the instant that was stored with it; NULL if none was."""
        return case((stored > self.known_by, self.known_by), else_=stored)

    def seen_at(self, happened_at: Micros, known_at: Micros) -> Micros:
        """From when on something is seen: once it has happened and is known.

        What is stored as known once it had happened has happened by the time it is known: only what
        was dated ahead when it was told lies in the future.
        """
        known = self.known_at(known_at)
        return case((happened_at <= known_at, known), else_=happened_at)

    @property
    def due(self) -> list[str]:
        """The leaves of this round."""
        return [name for name, leaf in self.book.leaves.items() if leaf.round == self.round]

    def of_segment(self, name: str) -> "Compilation":
        """The view in which another segment is asked: all of history, no ties to a journey."""
        return replace(
            self, scope=Scope.HISTORY, per=None, is_alone=False, passed=(*self.passed, name)
        )

    def since_start(self) -> "Compilation":
        return replace(self, scope=Scope.SINCE_START)

    def negated(self) -> "Compilation":
        return replace(self, is_negated=not self.is_negated)

    def about(self, subjects: CTE) -> "Compilation":
        """The same view of other subjects."""
        return replace(self, subjects=subjects, range=None)

    def leaf(
        self,
        key: object,
        build: Callable[[], Select[Any]],
        *,
        on_nothing: bool,
        is_costly: bool = False,
    ) -> Verdict:
        """The verdict of a leaf: `build` makes a statement of id, holds (0 or 1), next_check_at,
        with one row for each subject that it finds.

        It is made once for all equal leaves in equal views. Costly is what reads inside events.
        """
        name = self._named(key)
        if self.round is None:
            self.book.enter(name, self._round(is_costly))
            return UNKNOWN
        leaf = self.book.leaves[name]
        if self._is_asked_now(leaf) and name not in self.book.sources:
            found, names = build().subquery(), leaf.names
            columns = found.c.holds.label(names[0]), found.c.next_check_at.label(names[1])
            self.book.sources[name] = Source((), select(found.c.id, *columns))
        return self._verdict(leaf, on_nothing)

    def tallied(self, one: Tallied, *, is_costly: bool = False) -> Verdict:
        """The verdict of a plain count; those of equal events are counted in one pass."""
        name, family = self._named(one.key), self._named(one.family)
        if self.round is None:
            self.book.enter_tallied(family, name, self._round(is_costly), one)
            return UNKNOWN
        leaf = self.book.leaves[name]
        if self._is_asked_now(leaf) and family not in self.book.sources:
            members = self.book.families[family]
            named = {self.book.leaves[each].names: one for each, one in members.items()}
            self.book.sources[family] = tally(self, named)
        return self._verdict(leaf, one.amount.admits_nothing())

    def _named(self, key: object) -> str:
        return repr((key, self.scope, self.per, self.is_alone))

    def _round(self, is_costly: bool) -> Round:
        if is_costly:
            return Round.COSTLY
        return Round.REST if self.is_negated else Round.SEED

    def _is_asked_now(self, leaf: Leaf) -> bool:
        return leaf.round == self.round and not self.is_of_nobody

    def _verdict(self, leaf: Leaf, on_nothing: bool) -> Verdict:
        if self.round is None or leaf.round > self.round:
            return UNKNOWN
        if self.is_of_nobody:
            return Verdict(true() if on_nothing else false(), NULL_INSTANT, true())
        return leaf.verdict(on_nothing=on_nothing)

    def events_of(self, kinds: Select[int], *, since_step: str | None = None) -> Select[Any]:
        """Subjects joined to those events that this view may see, columns still to choose."""
        statement = (
            select()
            .select_from(self.subjects)
            .join(events, events.c.customer_id == looked_up_by(self.subjects.c.customer_id))
            .where(events.c.kind_id.in_(kinds), *self._ties(is_own=since_step is not None))
        )
        if since_step is None:
            return statement
        reached = self._reached(since_step)
        return statement.join(reached, reached.c.id == self.subjects.c.id).where(
            micros(events.c.occurred_at) >= reached.c.reached_at
        )

    def _ties(self, *, is_own: bool) -> list[ColumnElement[bool]]:
        """The key ties what is asked of the enrollment's own time, not all of history."""
        mine = self.subjects.c
        ties: list[ColumnElement[bool]] = []
        if self.sort is Sort.EVENT:
            ties.append(events.c.id == mine.event_id)
        if self.per is not None and (is_own or self.scope is not Scope.HISTORY):
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


UNKNOWN = Verdict(false(), NULL_INSTANT, false())
