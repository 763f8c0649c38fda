"""Answers the questions of journey steps for whole batches, through the one segment compiler."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from journeys.advance import Question, Reply
from rekindle.workspace.library import Library
from segments.prepared import parameters, prepare
from segments.subjects import Sort
from store.records import Enrollment, EnrollmentId


def reply_to(
    tx: Connection,
    library: Library,
    asked: Sequence[Question],
    standing: Sequence[Enrollment],
    now: datetime,
) -> dict[EnrollmentId, dict[str, Reply]]:
    """Each question answered for each enrollment: a statement a question and instant, never one a
    customer.
    """
    replies: dict[EnrollmentId, dict[str, Reply]] = {one.id: {} for one in standing}
    for question in asked:
        for at, ids in _by_instant(question, standing, now).items():
            for id_, reply in _replies(tx, library, question, ids, at).items():
                replies[id_][question.name] = reply
    return replies


def _by_instant(
    question: Question, standing: Sequence[Enrollment], now: datetime
) -> Mapping[datetime, list[EnrollmentId]]:
    """Most are asked about now; those past a window about its end."""
    groups: dict[datetime, list[EnrollmentId]] = {}
    for one in standing:
        groups.setdefault(question.asked_at(one, now), []).append(one.id)
    return groups


def _replies(
    tx: Connection, library: Library, question: Question, ids: Sequence[EnrollmentId], at: datetime
) -> dict[EnrollmentId, Reply]:
    statement = prepare(
        question.condition,
        Sort.ENROLLMENT,
        library.lexicon,
        scope=question.scope,
        per=question.per,
    )
    rows = tx.execute(statement, parameters(ids, at))
    found = {id_: Reply(holds=False) for id_ in ids}
    found.update({EnrollmentId(row.id): Reply(bool(row.holds), row.next_check_at) for row in rows})
    return found
