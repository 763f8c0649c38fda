"""Conditions compiled once and asked often: ids and instant are parameters of one statement.

Building a rule's statement costs ten times what SQLite needs to answer it for one customer.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Select, bindparam

from segments.choosing import IdList
from segments.compile import compile_condition, compile_together
from segments.conditions.base import ConditionBase
from segments.instants import LATEST
from segments.lexicon import Lexicon
from segments.sharing import share_out
from segments.subjects import Scope, Sort, Subjects, Window
from store.tables import microseconds

IDS, AT, KNOWN_BY = "asked_ids", "asked_at", "all_known_by"
LOW, HIGH = "asked_from", "asked_to"
MOST_MEETINGS = 64


def prepare(
    condition: ConditionBase,
    sort: Sort,
    lexicon: Lexicon,
    *,
    scope: Scope = Scope.HISTORY,
    per: str | None = None,
    window: Window | None = None,
    everybody: bool = True,
) -> Select[Any]:
    """As `compile_condition`, for subjects that `parameters` name; kept with the lexicon. Each
    enrollment is asked about within its own `window`.

    Raises ValueError for a segment that is not there or refers to itself.
    """
    key = (sort, scope, per, window, everybody, repr(condition))
    if key not in lexicon.prepared:
        subjects = _subjects(sort, window)
        lexicon.prepared[key] = compile_condition(
            condition, subjects, lexicon, scope=scope, per=per, everybody=everybody
        )
    statement: Select[Any] = lexicon.prepared[key]
    return statement


def prepare_together(
    segments: Sequence[str], lexicon: Lexicon, *, is_range: bool = False
) -> Select[Any]:
    """As `compile_together` of these segments' rules, for customers that `parameters` name; kept
    with the lexicon.
    """
    key = (is_range, *segments)
    if key not in lexicon.prepared:
        subjects = _between() if is_range else _subjects(Sort.CUSTOMER)
        rules = [lexicon.segments[segment].match for segment in segments]
        lexicon.prepared[key] = compile_together(rules, subjects, lexicon)
    statement: Select[Any] = lexicon.prepared[key]
    return statement


def groups_of(segments: Sequence[str], lexicon: Lexicon) -> list[list[str]]:
    """These segments as they are asked together; kept with the lexicon.

    What comes to be asked together once so many others were is asked one by one: making a statement
    for each chance meeting would take longer than it saves.
    """
    kept: dict[tuple[str, ...], list[list[str]]] = lexicon.prepared.setdefault("groups", {})
    names = tuple(segments)
    if names not in kept and len(kept) < MOST_MEETINGS:
        kept[names] = share_out(segments, lexicon.segments)
    return kept.get(names) or [[name] for name in segments]


def parameters(
    ids: Collection[int], at: datetime, *, known_by: datetime | None = None
) -> dict[str, Any]:
    """What a prepared statement is run with; a range means all from its first to its last.

    Where `known_by` lies after `at`, as for live work, all that is stored counts as known at `at`,
    whatever the clock of whoever stored it; else what became known later counts from then on.
    """
    is_live = known_by is not None and known_by > at
    instants = {AT: microseconds(at), KNOWN_BY: microseconds(at) if is_live else LATEST}
    if isinstance(ids, range):
        return {LOW: ids[0], HIGH: ids[-1], **instants}
    return {IDS: sorted(set(ids)), **instants}


def _between() -> Subjects:
    low, high, at, known_by = (
        bindparam(name, type_=BigInteger) for name in (LOW, HIGH, AT, KNOWN_BY)
    )
    return Subjects.customers_between(low, high, at, known_by)


def _subjects(sort: Sort, window: Window | None = None) -> Subjects:
    ids = bindparam(IDS, type_=IdList())
    at, known_by = bindparam(AT, type_=BigInteger), bindparam(KNOWN_BY, type_=BigInteger)
    match sort:
        case Sort.CUSTOMER:
            return Subjects.customers_in(ids, at, known_by)
        case Sort.ENROLLMENT:
            return Subjects.enrollments_in(ids, at, window, known_by)
        case Sort.EVENT:
            return Subjects.events_in(ids, at, known_by)
