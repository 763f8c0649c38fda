"""Several segments about the same customers, in few statements; one that fails, fails alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from rekindle.workspace.library import Library
from segments.conditions.base import ConditionBase
from segments.prepared import groups_of, parameters, prepare, prepare_together
from segments.subjects import Sort
from store.bulk import read_columns
from store.faults import is_refused
from store.records import CustomerId, Evaluation
from store.session import sees_until

# what evaluating a rule may end in; anything else is a mistake of ours
FAULTS = (DBAPIError, ValueError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Refused:
    """Why a segment cannot be evaluated."""

    reason: str


Answers = Mapping[str, list[Evaluation] | Refused]


def evaluate_together(
    tx: Connection,
    library: Library,
    segments: Sequence[str],
    ids: Collection[CustomerId],
    now: datetime,
) -> Answers:
    """Of each segment those for whom it holds or may come to hold by time alone.

    A segment that is no more has nobody. Raises what is no segment's fault.
    """
    known = [segment for segment in segments if segment in library.segments]
    answers: dict[str, list[Evaluation] | Refused] = {segment: [] for segment in segments}
    for together in groups_of(known, library.lexicon):
        answers.update(_evaluated(tx, library, together, ids, now))
    return answers


def _evaluated(
    tx: Connection,
    library: Library,
    segments: Sequence[str],
    ids: Collection[CustomerId],
    now: datetime,
) -> Answers:
    try:
        with tx.begin_nested():
            return _ask(tx, library, segments, ids, now)
    except FAULTS as error:
        if len(segments) == 1:
            return {segments[0]: refusal(error)}
        refusal(error)
    answers: dict[str, list[Evaluation] | Refused] = {}
    for segment in segments:
        answers.update(_evaluated(tx, library, [segment], ids, now))
    return answers


def _ask(
    tx: Connection,
    library: Library,
    segments: Sequence[str],
    ids: Collection[CustomerId],
    now: datetime,
) -> Answers:
    statement = prepare_together(segments, library.lexicon, is_range=isinstance(ids, range))
    ids_found, *told = read_columns(
        tx, statement, parameters(ids, now, known_by=sees_until(tx, now))
    )
    return {
        segment: [
            Evaluation(id_, holds=is_in == 1, next_check_at=check_at)
            for id_, is_in, check_at in zip(ids_found, held, checks, strict=True)
            if is_in or check_at is not None
        ]
        for segment, held, checks in zip(segments, told[::2], told[1::2], strict=True)
    }


def find_holding(
    tx: Connection,
    library: Library,
    condition: ConditionBase,
    sort: Sort,
    ids: Collection[int],
    now: datetime,
) -> set[int]:
    """Those of `ids`, which are ids of that `sort`, for whom the condition holds."""
    statement = prepare(condition, sort, library.lexicon)
    found, holds, _ = read_columns(
        tx, statement, parameters(ids, now, known_by=sees_until(tx, now))
    )
    return {id_ for id_, is_so in zip(found, holds, strict=True) if is_so}


def refusal(error: Exception) -> Refused:
    """What was wrong with the rule. Raises the error itself where it is not the rule's fault."""
    if isinstance(error, DBAPIError) and not is_refused(error):
        raise error
    cause = error.orig if isinstance(error, DBAPIError) else error
    lines = str(cause).strip().splitlines() or [type(error).__name__]
    return Refused(lines[0])
