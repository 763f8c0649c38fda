"""Answers the questions of journey steps for whole batches, through the one segment compiler."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from journeys.advance import Question, Reply
from rekindle.workspace.library import Library
from segments.prepared import parameters, prepare
from segments.subjects import Sort
from store.records import Enrollment, EnrollmentId
from store.sets import fetch_rows
from store.tables import instant_of

Replies = Mapping[str, Reply]
YES, NO = Reply(holds=True), Reply(holds=False)


def reply_to(
    tx: Connection,
    library: Library,
    asked: Sequence[Question],
    standing: Sequence[Enrollment],
    now: datetime,
) -> list[tuple[Replies, Sequence[Enrollment]]]:
    """Each question answered by one statement; those with the same answers stand together."""
    if not asked:
        return [({}, standing)]
    ids = [one.id for one in standing]
    answers = [_replies(tx, library, question, ids, now) for question in asked]
    alike: dict[tuple[Reply, ...], list[Enrollment]] = {}
    for one, *replies in zip(standing, *answers, strict=True):
        alike.setdefault(tuple(replies), []).append(one)
    names = [question.name for question in asked]
    return [(dict(zip(names, replies, strict=True)), ones) for replies, ones in alike.items()]


def _replies(
    tx: Connection, library: Library, question: Question, ids: Sequence[EnrollmentId], now: datetime
) -> list[Reply]:
    """In the order of `ids`; who is not found holds nothing."""
    statement = prepare(
        question.condition,
        Sort.ENROLLMENT,
        library.lexicon,
        scope=question.scope,
        per=question.per,
        window=question.window,
    )
    rows = fetch_rows(tx, statement, parameters(ids, now))
    found = {id_: _reply(holds, next_check_at) for id_, holds, next_check_at in rows}
    return [found.get(id_, NO) for id_ in ids]


def _reply(holds: object, next_check_at: int | None) -> Reply:
    if next_check_at is None:
        return YES if holds else NO
    return Reply(bool(holds), instant_of(int(next_check_at)))
