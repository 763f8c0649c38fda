"""What must be true of every mail that left and of every one that was refused, told once more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, case, select

from store.tables import customers, enrollments, messages

RULES = """
topics: {offers: {}, surveys: {}}
caps: {all: 1 per 2 days}
quiet_hours: 21:00-07:00
survey_rest: 5 days
"""
BUDGET, BUDGET_WITHIN = 1, timedelta(days=2)
REST = timedelta(days=5)
PACE = timedelta(hours=3)  # from one offer to the next, whoever gets them
ZONES = {"ana": "UTC", "bo": "Asia/Tokyo"}


@dataclass(frozen=True)
class Mail:
    """One message to a customer; `left_at` is when its enrollment was left, finishing aside."""

    id: int
    customer: str
    enrollment_id: int
    step: str
    topic: str
    survey: str | None
    status: str
    reason: str
    queued_at: datetime
    sent_at: datetime | None
    left_at: datetime | None


def load_mails(connection: Connection) -> list[Mail]:
    query = (
        select(
            messages.c.id, customers.c.external_id, messages.c.enrollment_id, messages.c.step,
            messages.c.topic, messages.c.survey, messages.c.status, messages.c.reason,
            messages.c.queued_at, messages.c.sent_at,
            case((enrollments.c.ended != "finished", enrollments.c.ended_at)),
        )
        .join(customers, customers.c.id == messages.c.customer_id)
        .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
        .order_by(messages.c.sent_at, messages.c.id)
    )  # fmt: skip
    return [Mail(*row) for row in connection.execute(query)]


@dataclass(frozen=True)
class Wishes:
    """What customers want at present."""

    denied: frozenset[tuple[str, str]] = frozenset()  # customer and topic
    suppressed: frozenset[str] = frozenset()


def check_new(mail: Mail, wishes: Wishes) -> None:
    """A mail that left just now, or was refused just now."""
    says_no = (mail.customer, mail.topic) in wishes.denied
    if mail.sent_at is not None:
        assert mail.customer not in wishes.suppressed, mail
        assert not says_no, mail
        assert mail.left_at is None or mail.sent_at <= mail.left_at, mail
    elif mail.status == "refused" and mail.reason.startswith("suppressed"):
        assert mail.customer in wishes.suppressed, mail
    elif mail.status == "refused" and mail.reason.startswith("said no"):
        assert says_no, mail
    elif mail.status == "refused":
        assert mail.topic != "service", mail
        assert mail.reason.startswith(("was asked on", "over the cap", "gives way")), mail


def check_all(mails: Sequence[Mail]) -> None:
    """Everything that ever left, in order."""
    sent = {one: one.sent_at for one in mails if one.sent_at and one.topic != "service"}
    for name, zone in ZONES.items():
        theirs = {one: at for one, at in sent.items() if one.customer == name}
        hours = [at.astimezone(ZoneInfo(zone)).hour for at in theirs.values()]
        assert all(7 <= hour < 21 for hour in hours), theirs
        assert _are_apart(list(theirs.values()), BUDGET, BUDGET_WITHIN), theirs
        _check_rest(theirs)
    offers = [at for one, at in sent.items() if one.topic == "offers"]
    assert _are_apart(offers, 1, PACE), offers


def _are_apart(times: Sequence[datetime], count: int, within: timedelta) -> bool:
    """No more than `count` of these in any such stretch."""
    pairs = zip(times, times[count:], strict=False)
    return all(later - first >= within for first, later in pairs)


def _check_rest(theirs: Mapping[Mail, datetime]) -> None:
    """Between invitations of two enrollments there is a rest."""
    asked = [(one.enrollment_id, at) for one, at in theirs.items() if one.survey]
    for (first, before), (second, after) in pairwise(asked):
        assert first == second or after - before >= REST, asked
