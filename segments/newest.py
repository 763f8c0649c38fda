"""The newest events of each customer, found through the index without reading the rest.

The only place that looks events up one customer and kind at a time. Where there is no such index,
as in a column store, reading all events of a window gives the same (`segments.tallying`).
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
    true,
)

from segments.instants import LONG_AGO, Micros, micros
from segments.planning import looked_up_by
from store.tables import events

Bounds = Callable[[Micros, Micros], list[ColumnElement[bool]]]  # of when it occurred, and now
ONE: ColumnElement[int] = literal_column("1")
seen = events.alias("seen")


def find_newest(
    subjects: CTE, kinds: Select[int], bounds: Bounds, *, ranks: Sequence[int], fewest: int
) -> CTE:
    """Everything about a subject, newest_N_at for each of `ranks`, and lies_ahead (0 or 1).

    Who has fewer than `fewest` events of these kinds within `bounds` is left out. Something lies
    ahead if an event occurs later than the subject's instant or becomes known later; the newest
    events are then not those that count.
    """
    sought = kinds.cte().prefix_with("MATERIALIZED")
    if max(ranks) == 1:
        found = _with_newest(subjects, sought, bounds)
    else:
        found = _with_ranks(_having(subjects, sought, bounds, fewest), sought, bounds, ranks)
    newest_at = found.c.newest_1_at
    is_ahead = or_(newest_at > found.c.at, _becomes_known_later(found, sought, bounds))
    lies_ahead = case((is_ahead, 1), else_=0).label("lies_ahead")
    return select(found, lies_ahead).where(newest_at.is_not(None)).cte()


def newest(ranked: CTE, ranks: Sequence[int]) -> list[ColumnElement[Any]]:
    """When the event of each of these ranks occurred, of rows grouped by subject."""
    own = ranked.c
    return [func.max(case((own.rank == n, own.occurred_at))).label(f"newest_{n}_at") for n in ranks]


def _with_newest(subjects: CTE, kinds: CTE, bounds: Bounds) -> CTE:
    of_kind = _look_up(subjects, kinds, bounds, func.max(micros(seen.c.occurred_at)))
    column = _in_all(subjects, kinds, func.max(of_kind.scalar_subquery())).label("newest_1_at")
    return select(subjects, column).cte().prefix_with("MATERIALIZED")


def _having(subjects: CTE, kinds: CTE, bounds: Bounds, fewest: int) -> CTE:
    """Who has that many events; no more than that are read."""
    last = (
        select(ONE)
        .where(
            seen.c.customer_id == subjects.c.customer_id,
            seen.c.kind_id.in_(select(kinds.c.id)),
            *bounds(micros(seen.c.occurred_at), subjects.c.at),
        )
        .limit(1)
        .offset(fewest - 1)
        .correlate(subjects)
        .scalar_subquery()
    )
    return select(subjects).where(last == ONE).cte()


def _with_ranks(subjects: CTE, kinds: CTE, bounds: Bounds, ranks: Sequence[int]) -> CTE:
    """Of each kind as many of the newest events are read as the farthest rank needs."""
    occurred_at = micros(events.c.occurred_at)
    seen_at = micros(seen.c.occurred_at)
    earliest = _look_up(subjects, kinds, bounds, seen_at).order_by(seen_at.desc()).limit(1)
    since = func.coalesce(earliest.offset(max(ranks) - 1).scalar_subquery(), LONG_AGO)
    is_theirs = and_(
        events.c.customer_id == looked_up_by(subjects.c.customer_id),
        events.c.kind_id == looked_up_by(kinds.c.id),
    )
    rank = func.row_number().over(partition_by=subjects.c.id, order_by=occurred_at.desc())
    ranked = (
        select(subjects, occurred_at.label("occurred_at"), rank.label("rank"))
        .select_from(subjects.join(kinds, true()).join(events, is_theirs))
        .where(occurred_at >= since)
        .where(*bounds(occurred_at, subjects.c.at))
        .cte()
    )
    about = [func.max(ranked.c[c.name]).label(c.name) for c in subjects.c if c.name != "id"]
    return select(ranked.c.id, *about, *newest(ranked, ranks)).group_by(ranked.c.id).cte()


def _look_up(subjects: CTE, kinds: CTE, bounds: Bounds, column: ColumnElement[Any]) -> Select[Any]:
    """Something of the events of one subject and kind."""
    return (
        select(column)
        .where(
            seen.c.customer_id == subjects.c.customer_id,
            seen.c.kind_id == kinds.c.id,
            *bounds(micros(seen.c.occurred_at), subjects.c.at),
        )
        .correlate(subjects, kinds)
    )


def _in_all(subjects: CTE, kinds: CTE, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A figure over all kinds, of one subject."""
    return select(column).select_from(kinds).correlate(subjects).scalar_subquery()


def _becomes_known_later(found: CTE, kinds: CTE, bounds: Bounds) -> ColumnElement[bool]:
    """Whether any event does; asked of each subject only if any event at all does."""
    newest_known_at = select(func.max(micros(seen.c.known_at))).scalar_subquery()
    later = (
        select(ONE)
        .where(
            seen.c.customer_id == found.c.customer_id,
            seen.c.kind_id.in_(select(kinds.c.id)),
            seen.c.known_at > found.c.at,
            *bounds(micros(seen.c.occurred_at), found.c.at),
        )
        .correlate(found)
        .exists()
    )
    return case((newest_known_at > found.c.at, later), else_=False)
