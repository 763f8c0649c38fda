"""Answers the questions of journey steps for whole batches, through the one segment compiler."""

from collections.abc import Sequence
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
    """Each question answered for each enrollment: one statement a question."""
    replies: dict[EnrollmentId, dict[str, Reply]] = {one.id: {} for one in standing}
    ids = list(replies)
    for question in asked:
        for id_, reply in _replies(tx, library, question, ids, now).items():
            replies[id_][question.name] = reply
    return replies


def _replies(
    tx: Connection, library: Library, question: Question, ids: Sequence[EnrollmentId], now: datetime
) -> dict[EnrollmentId, Reply]:
    statement = prepare(
        question.condition,
        Sort.ENROLLMENT,
        library.lexicon,
        scope=question.scope,
        per=question.per,
        window=question.window,
    )
    rows = tx.execute(statement, parameters(ids, now))
    found = {id_: Reply(holds=False) for id_ in ids}
    found.update({EnrollmentId(row.id): Reply(bool(row.holds), row.next_check_at) for row in rows})
    return found
