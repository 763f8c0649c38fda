"""Answers the questions of journey steps for whole batches, through the one segment compiler."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from journeys.advance import Question, Reply
from rekindle.workspace.library import Library
from segments.prepared import parameters, prepare
from segments.subjects import Sort
from store.bulk import read_columns
from store.records import Enrollment, EnrollmentId
from store.session import sees_until

Replies = Mapping[str, Reply]
YES, NO = Reply(holds=True), Reply(holds=False)


def reply_to(
    tx: Connection,
    library: Library,
    asked: Sequence[Question],
    standing: Sequence[Enrollment],
    now: datetime,
    *,
    known_by: datetime | None = None,
) -> list[tuple[Replies, Sequence[Enrollment]]]:
    """Each question answered by one statement; those with the same answers stand together."""
    if not asked:
        return [({}, standing)]
    ids = [one.id for one in standing]
    told = parameters(ids, now, known_by=known_by or sees_until(tx, now))
    answers = [_replies(tx, library, question, told, ids) for question in asked]
    alike: dict[tuple[Reply, ...], list[Enrollment]] = {}
    for one, replies in zip(standing, zip(*answers, strict=True), strict=True):
        alike.setdefault(replies, []).append(one)
    names = [question.name for question in asked]
    return [(dict(zip(names, replies, strict=True)), ones) for replies, ones in alike.items()]


def _replies(
    tx: Connection,
    library: Library,
    question: Question,
    asked: Mapping[str, Any],
    ids: Sequence[EnrollmentId],
) -> list[Reply]:
    """In the order of `ids`; who is not found holds nothing."""
    statement = prepare(
        question.condition,
        Sort.ENROLLMENT,
        library.lexicon,
        scope=question.scope,
        per=question.per,
        window=question.window,
        everybody=False,
    )
    ids_found, holds, checks = read_columns(tx, statement, asked)
    found = dict(zip(ids_found, map(_reply, holds, checks), strict=True))
    return [found.get(id_, NO) for id_ in ids]


def _reply(holds: bool, next_check_at: datetime | None) -> Reply:
    if next_check_at is None:
        return YES if holds else NO
    return Reply(holds, next_check_at)
