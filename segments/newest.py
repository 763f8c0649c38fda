"""The newest events of each customer, found through the index without reading the rest.

The only place that looks events up one customer and kind at a time. Where there is no such index,
as in a column store, reading all events of a window gives the same (`segments.tallying`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
)

from segments.instants import LONG_AGO, Micros, micros
from segments.planning import looked_up_by, suited
from segments.subjects import IdRange
from store.tables import events

Bounds = Callable[[Micros, Micros], list[ColumnElement[bool]]]  # of when it occurred, and now
Asks = Callable[[FromClause, Micros], list[ColumnElement[bool]]]  # of a row of events, and now
ONE: ColumnElement[int] = literal_column("1")
seen = events.alias("seen")


@dataclass(frozen=True)
class Meant:
    """Events of some kinds that are looked for."""

    kinds: Select[int]
    bounds: Bounds  # of when they occurred
    asks: Asks  # of each event: what is inside it, or what came after, as far as it is past now
    answers: Select[int] | None = None  # kinds of later events that `asks` looks at


def find_newest(
    subjects: CTE, meant: Meant, ranks: Sequence[int], fewest: int, range_: IdRange | None
) -> CTE:
    """Everything about a subject, newest_N_at for each of `ranks`, and lies_ahead (0 or 1).

    Who has fewer than `fewest` such events is left out; 0: nobody is. Something lies ahead if an
    event occurs later than the subject's instant or becomes known later; the newest events are
    then not those that count. `range_` is that of the subjects, where they are all of one.
    """
    sought = Sought(subjects, meant)
    columns = [sought.newest(rank).label(f"newest_{rank}_at") for rank in ranks]
    lies_ahead = case((sought.any_lies_ahead(), 1), else_=0).label("lies_ahead")
    has_enough = sought.has_enough(fewest, range_) if fewest else []
    return select(subjects, *columns, lies_ahead).where(*has_enough).cte()


def newest(ranked: CTE, ranks: Sequence[int]) -> list[ColumnElement[Any]]:
    """When the event of each of these ranks occurred, of rows grouped by subject."""
    own = ranked.c
    return [func.max(case((own.rank == n, own.occurred_at))).label(f"newest_{n}_at") for n in ranks]


class Sought:
    """What is meant, looked for one subject at a time."""

    def __init__(self, subjects: CTE, meant: Meant) -> None:
        self.subjects, self.meant = subjects, meant
        self.kinds = meant.kinds.cte().prefix_with("MATERIALIZED")
        self.concerned = self.kinds
        if meant.answers is not None:
            both = select(self.kinds.c.id).union_all(meant.answers)
            self.concerned = both.cte().prefix_with("MATERIALIZED")

    def has_enough(self, fewest: int, range_: IdRange | None) -> list[ColumnElement[bool]]:
        """Whether the subject has so many of them.

        Of a whole range PostgreSQL reads the events in one go, several times as fast as looking
        for each customer's. SQLite looks them up faster than it would read them.
        """
        looked_up = self.newest(fewest).is_not(None)
        if range_ is None:
            return [looked_up]
        are_asked = bool(self.meant.asks(seen, range_.at))
        read = self._has_enough_of(range_, fewest)
        return [suited(looked_up, postgresql=and_(read, looked_up) if are_asked else read)]

    def _has_enough_of(self, range_: IdRange, fewest: int) -> ColumnElement[bool]:
        """Whether the subject is among those of the range with so many of them at the time that is
        meant, whatever is asked of each.
        """
        occurred_at = micros(events.c.occurred_at)
        having = (
            select(events.c.customer_id)
            .where(events.c.kind_id.in_(select(self.kinds.c.id)), range_.has(events.c.customer_id))
            .where(*self.meant.bounds(occurred_at, range_.at))
            .group_by(events.c.customer_id)
            .having(func.count() >= literal_column(str(fewest)))
        )
        return self.subjects.c.customer_id.in_(having)

    def newest(self, rank: int) -> ColumnElement[Any]:
        """When the subject's `rank`-newest of them occurred; NULL if there are not so many.

        A name that is asked for is nearly always one kind: its events lie in order in the index.
        """
        number = select(func.count()).select_from(self.kinds).scalar_subquery()
        the_only = select(self.kinds.c.id).limit(1).scalar_subquery()
        found = _ranked(self._of_subject(seen.c.kind_id == the_only), rank)
        return case((number == ONE, found.scalar_subquery()), else_=self._newest_of_several(rank))

    def _newest_of_several(self, rank: int) -> ColumnElement[Any]:
        """Of each kind as many of the newest events are read as the rank needs."""
        of_kind = self._of_subject(seen.c.kind_id == self.kinds.c.id)
        if rank == 1:
            newest = of_kind.with_only_columns(func.max(micros(seen.c.occurred_at)))
            found = select(func.max(newest.correlate(self.subjects, self.kinds).scalar_subquery()))
            return found.select_from(self.kinds).correlate(self.subjects).scalar_subquery()
        earliest = _ranked(of_kind, rank).correlate(self.subjects, self.kinds).scalar_subquery()
        occurred_at = micros(events.c.occurred_at)
        is_theirs = and_(
            events.c.customer_id == looked_up_by(self.subjects.c.customer_id),
            events.c.kind_id == looked_up_by(self.kinds.c.id),
        )
        among = (
            select(occurred_at)
            .select_from(self.kinds.join(events, is_theirs))
            .where(occurred_at >= func.coalesce(earliest, LONG_AGO))
            .where(*self._is_meant(events, occurred_at))
            .correlate(self.subjects)
        )
        return among.order_by(occurred_at.desc()).limit(1).offset(rank - 1).scalar_subquery()

    def _of_subject(self, is_of_kind: ColumnElement[bool]) -> Select[Any]:
        occurred_at = micros(seen.c.occurred_at)
        return (
            select(occurred_at)
            .where(seen.c.customer_id == self.subjects.c.customer_id, is_of_kind)
            .where(*self._is_meant(seen, occurred_at))
            .correlate(self.subjects)
        )

    def _is_meant(self, one: FromClause, occurred_at: Micros) -> list[ColumnElement[bool]]:
        at = self.subjects.c.at
        return [*self.meant.bounds(occurred_at, at), *self.meant.asks(one, at)]

    def any_lies_ahead(self) -> ColumnElement[bool]:
        """Whether anything does; asked of each subject only if any event at all does."""
        occurred_at, known_at = micros(seen.c.occurred_at), micros(seen.c.known_at)
        of_kind = select(func.max(occurred_at)).where(seen.c.kind_id == self.concerned.c.id)
        latest = select(func.max(of_kind.correlate(self.concerned).scalar_subquery()))
        occurs_last = latest.select_from(self.concerned).scalar_subquery()
        is_known_last = select(func.max(known_at)).scalar_subquery()
        return or_(
            self._is_ahead(occurs_last, occurred_at), self._is_ahead(is_known_last, known_at)
        )

    def _is_ahead(self, last_of_all: ColumnElement[Any], moment: Micros) -> ColumnElement[bool]:
        at = self.subjects.c.at
        theirs = select(ONE).where(
            seen.c.customer_id == self.subjects.c.customer_id,
            seen.c.kind_id.in_(select(self.concerned.c.id)),
            moment > at,
        )
        return case((last_of_all > at, theirs.correlate(self.subjects).exists()), else_=False)


def _ranked(found: Select[Any], rank: int) -> Select[Any]:
    return found.order_by(seen.c.occurred_at.desc()).limit(1).offset(rank - 1)
