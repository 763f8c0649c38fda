"""What one sent form does: a first answer, a revision, or nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.records import Answer, CustomerId, EnrollmentId, MessageId

CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f]"
)  # PostgreSQL keeps no NUL, pages show none of them
LONGEST_COMMENT = 4000  # characters; what is longer is cut


@dataclass(frozen=True)
class Invitation:
    """One survey in one message: what may be answered, by whom, until when."""

    survey: str
    scores: range
    closes_at: datetime
    message_id: MessageId
    customer_id: CustomerId
    enrollment_id: EnrollmentId | None = None
    key: str = ""


@dataclass(frozen=True)
class Reply:
    """What one form said; a missing comment is the empty string."""

    score: int
    comment: str
    sent_at: datetime
    is_person: bool
    solved: str = ""  # yes, no, or empty where the form did not say


@dataclass(frozen=True)
class Recorded:
    """A new row, and the event that tells of it; a machine's answer is kept without one."""

    answer: Answer
    event: Literal["survey.answered", "survey.revised"] | None


@dataclass(frozen=True)
class Unchanged:
    """The same was said before: a form sent twice, or an echo."""


@dataclass(frozen=True)
class Closed:
    """The survey had expired."""


@dataclass(frozen=True)
class OffScale:
    """No such score exists in this survey."""


Outcome = Recorded | Unchanged | Closed | OffScale


def receive(reply: Reply, invitation: Invitation, given: Sequence[Answer]) -> Outcome:
    """What becomes of `reply`; `given` are all answers this message has had, in any order."""
    if reply.sent_at >= invitation.closes_at:
        return Closed()
    if reply.score not in invitation.scores:
        return OffScale()
    current = current_answer(given)
    if _says_nothing_new(reply, current, given):
        return Unchanged()
    answer = _next_answer(reply, invitation, given)
    if not reply.is_person:
        return Recorded(answer, None)
    return Recorded(answer, "survey.revised" if current else "survey.answered")


def current_answer(given: Sequence[Answer]) -> Answer | None:
    """The newest answer that counts."""
    counted = [answer for answer in given if answer.is_counted]
    return max(counted, key=lambda answer: answer.revision, default=None)


def tidy_comment(written: str) -> str:
    """A comment as stored: `\\n` at line ends, no control characters, no longer than we keep."""
    lines = (CONTROL.sub("", line) for line in written.splitlines())
    return "\n".join(lines).strip()[:LONGEST_COMMENT]


def _says_nothing_new(reply: Reply, current: Answer | None, given: Sequence[Answer]) -> bool:
    """True for what counts already, and for a machine repeating a machine."""
    if current and _is_same(reply, current):
        return True
    return not reply.is_person and any(_is_same(reply, answer) for answer in given)


def _is_same(reply: Reply, answer: Answer) -> bool:
    said = (reply.score, reply.comment, reply.solved or answer.solved)
    return said == (answer.score, answer.comment, answer.solved)


def _next_answer(reply: Reply, invitation: Invitation, given: Sequence[Answer]) -> Answer:
    current = current_answer(given) if reply.is_person else None
    return Answer(
        survey=invitation.survey,
        customer_id=invitation.customer_id,
        message_id=invitation.message_id,
        enrollment_id=invitation.enrollment_id,
        key=invitation.key,
        score=reply.score,
        comment=reply.comment,
        solved=reply.solved or (current.solved if current else ""),
        answered_at=reply.sent_at,
        is_counted=reply.is_person,
        revision=max((answer.revision for answer in given), default=0) + 1,
    )
