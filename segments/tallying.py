"""Counts of the same events, whatever their windows and bounds, from one look at the newest.

Counting back from the newest event, the n-th one says all that a count needs to know, for as long
as nothing lies ahead: an event dated in the future, or one that is not known yet. Whoever has such
a thing is counted by running counts (`segments.counting`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    and_,
    case,
    func,
    select,
    true,
)

from segments.counting import Amount, count
from segments.instants import NULL_INSTANT, Micros, length, micros
from segments.newest import Meant, find_newest, newest
from segments.sources import Source
from segments.subjects import Sort
from store.tables import events

if TYPE_CHECKING:
    from segments.compilation import Compilation

Names = tuple[str, str]  # of the columns for what holds and for the next check


@dataclass(frozen=True)
class Tallied:
    """A plain count: so many of a family's events within some time."""

    key: object  # equal for equal counts
    family: object  # equal for counts of the same events
    amount: Amount
    within: timedelta | None
    meant: "Callable[[Compilation], Meant]"
    found: "Callable[[Compilation], Select[Any]]"  # the events it may ever count, and their subject
    stretches: "Callable[[Compilation], CTE]"  # as `segments.counting` wants them

    @property
    def matters_from(self) -> int:
        """So many events make a difference to having none."""
        low, high = self.amount.whole
        return low if low > 0 else (high or 0) + 1

    @property
    def looked_for(self) -> tuple[int, ...]:
        """Which events, counted back from the newest, decide."""
        low, high = self.amount.whole
        wanted = (low, 0 if high is None else high + 1)
        return tuple(n for n in wanted if n > 0)


def tally(view: "Compilation", members: Mapping[Names, Tallied]) -> Source:
    """Everything about a subject with its columns of all `members`."""
    family = tuple(members.values())
    widest = max(family, key=lambda one: one.within or timedelta.max)
    ranks = sorted({n for one in family for n in one.looked_for})
    fewest = 0 if view.tells_of_all else min(one.matters_from for one in family)
    looks_up = view.sort is Sort.CUSTOMER
    found = (
        find_newest(view.subjects, widest.meant(view), ranks, fewest, view.range)
        if looks_up
        else _read_all(view, widest, ranks, fewest)
    )
    ahead = select(found).where(found.c.lies_ahead == 1).cte()
    anew = tuple(_counted_anew(view, ahead, members))
    return Source(anew, _verdicts(view, found, members), looks_up and view.tells_of_all)


def _read_all(view: "Compilation", widest: Tallied, ranks: Sequence[int], fewest: int) -> CTE:
    """As `find_newest`, by reading every event that may count."""
    own, occurred_at = view.subjects.c, micros(events.c.occurred_at)
    begins = view.seen_at(occurred_at, micros(events.c.known_at))
    rank = func.row_number().over(partition_by=own.id, order_by=occurred_at.desc())
    ranked = (
        widest.found(view)
        .with_only_columns(
            *own,
            occurred_at.label("occurred_at"),
            case((begins > own.at, 1), else_=0).label("lies_ahead"),
            rank.label("rank"),
        )
        .cte()
    )
    return (
        select(
            ranked.c.id,
            *(func.max(ranked.c[c.name]).label(c.name) for c in own if c.name != "id"),
            func.max(ranked.c.lies_ahead).label("lies_ahead"),
            *newest(ranked, ranks),
        )
        .group_by(ranked.c.id)
        .having(func.count() >= fewest)
        .cte()
    )


def _verdicts(view: "Compilation", found: CTE, members: Mapping[Names, Tallied]) -> Select[Any]:
    """Everything about each subject for whom nothing lies ahead, with all verdicts."""
    about = [found.c[each.name] for each in view.subjects.c]
    columns = [column for names, one in members.items() for column in _verdict(found, one, names)]
    return select(*about, *columns).where(found.c.lies_ahead == 0)


def _verdict(
    found: CTE, one: Tallied, names: Names
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Whether the count is right, and the exact next change while events only grow too old."""
    low, high = one.amount.whole
    enough = [_is_inside(found, one, low)] if low > 0 else []
    few_enough = [] if high is None else [~_is_inside(found, one, high + 1)]
    holds = case((and_(true(), *enough, *few_enough), 1), else_=0)
    return holds.label(names[0]), _next_check(found, one).label(names[1])


def _next_check(found: CTE, one: Tallied) -> Micros:
    low, high = one.amount.whole
    if one.within is None:
        return NULL_INSTANT
    turns: list[tuple[ColumnElement[bool], Micros]] = []
    window = length(one.within)
    if high is not None:
        last_of_too_many = _nth(found, high + 1)
        turn = last_of_too_many + window
        if low > 0:  # several that occurred at one instant go at once, and may leave too few
            turn = case((_nth(found, low) > last_of_too_many, turn))
        turns.append((_is_inside(found, one, high + 1), turn))
    if low > 0:
        turns.append((_is_inside(found, one, low), _nth(found, low) + window))
    return case(*turns, else_=NULL_INSTANT) if turns else NULL_INSTANT


def _is_inside(found: CTE, one: Tallied, n: int) -> ColumnElement[bool]:
    """Whether there is an n-th newest event, and it counts; never NULL."""
    if one.within is None:
        return _nth(found, n).is_not(None)
    return func.coalesce(_nth(found, n) > found.c.at - length(one.within), False)


def _nth(found: CTE, n: int) -> Micros:
    return found.c[f"newest_{n}_at"]


def _counted_anew(
    view: "Compilation", ahead: CTE, members: Mapping[Names, Tallied]
) -> Iterator[Select[Any]]:
    """Everything about those for whom something lies ahead, and their running counts."""
    yield select(*(ahead.c[each.name] for each in view.subjects.c))
    for (holds, check), one in members.items():
        found = count(one.stretches(view.about(ahead)), one.amount).subquery()
        yield select(found.c.id, found.c.holds.label(holds), found.c.next_check_at.label(check))
