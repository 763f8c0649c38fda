"""The mails of some enrollments as they stood at an instant."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from store.portraits import Trip
from store.records import EnrollmentId
from store.tables import delivery_events, messages

FATES = ("sent", "delivered", "bounced", "complained", "refused", "uncertain")


@dataclass(frozen=True)
class Mail:
    """One mail of an enrollment; a status that came after the instant is not told."""

    id: int
    enrollment_id: EnrollmentId
    step: str
    template: str
    status: str
    reason: str


def load_mails_of(connection: Connection, trips: Sequence[Trip], at: datetime) -> tuple[Mail, ...]:
    """Those queued by `at`; the trips are as they stood then too."""
    query = (
        select(messages.c.id, messages.c.enrollment_id, messages.c.step, messages.c.template,
               messages.c.status, messages.c.reason)
        .where(messages.c.enrollment_id.in_([one.id for one in trips]), messages.c.queued_at <= at)
        .order_by(messages.c.id)
    )  # fmt: skip
    mails = [Mail(*row) for row in connection.execute(query)]
    told = _load_fates(connection, [one.id for one in mails])
    under_way = {one.id for one in trips if one.ended is None}
    return tuple(
        _as_then(one, told.get(one.id, []), at, is_inside=one.enrollment_id in under_way)
        for one in mails
    )


def _load_fates(connection: Connection, ids: Sequence[int]) -> dict[int, list[Any]]:
    query = (
        select(delivery_events)
        .where(delivery_events.c.message_id.in_(ids), delivery_events.c.kind.in_(FATES))
        .order_by(delivery_events.c.id)
    )
    told: dict[int, list[Any]] = {}
    for row in connection.execute(query):
        told.setdefault(row.message_id, []).append(row)
    return told


def _as_then(mail: Mail, told: Sequence[Any], at: datetime, *, is_inside: bool) -> Mail:
    """What was told of it last by then. Mails are cancelled as their enrollment ends."""
    known = [one for one in told if one.known_at <= at]
    if len(known) == len(told) and not (mail.status == "cancelled" and is_inside):
        return mail  # nothing came after
    if not known:
        return replace(mail, status="queued", reason="")
    return replace(mail, status=known[-1].kind, reason=known[-1].details.get("reason", ""))
