"""Makes the rows of mails that journeys decided to send, and asks permission for the first time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b

from sqlalchemy import Connection

from journeys.advance import QueueMessage
from journeys.permission import RETIMED, Allowed, Held, Refused
from rekindle.workspace.library import Library
from store.messages import hold, load_messages, queue_messages, refuse
from store.pacing import find_retimed
from store.records import Enrollment, EnrollmentId, Message, MessageId
from templates.mail import domain_of
from workers.counts import Counts
from workers.pacing import LATE_AFTER
from workers.permit import Permitted, permit
from workers.settling import Told, tell


@dataclass(frozen=True)
class Queued:
    """What queueing came to; `settled` enrollments have their outcome already."""

    settled: frozenset[EnrollmentId] = frozenset()
    counts: Counts = field(default_factory=Counts)

    def adding(self, counts: Counts) -> "Queued":
        return replace(self, counts=self.counts + counts)


def queue_mails(
    tx: Connection,
    library: Library,
    mails: Sequence[tuple[Enrollment, QueueMessage]],
    now: datetime,
) -> Queued:
    """Queue each mail once per enrollment, step and visit; what may not go is held or refused at
    once.
    """
    retimed = _retimed(tx, library, [one for one, _ in mails], now)
    rows = [_row(library, one, effect, now, is_retimed=one.id in retimed) for one, effect in mails]
    ids = queue_messages(tx, rows)
    permitted = permit(tx, library, load_messages(tx, ids), now) if ids else []
    return apply_verdicts(tx, permitted, now)


def apply_verdicts(tx: Connection, permitted: Sequence[Permitted], now: datetime) -> Queued:
    """Write who is held until when and who is refused why; the allowed are left as they are."""
    held: dict[MessageId, tuple[datetime, str, datetime | None]] = {}
    refused: list[tuple[Message, str]] = []
    for one in permitted:
        match one.verdict:
            case Held(until, reason, paced_at):
                held[one.message.id] = (until, reason, paced_at)
            case Refused(reason):
                refused.append((one.message, reason))
            case Allowed():
                pass
    hold(tx, held)
    refuse(tx, {message.id: reason for message, reason in refused})
    tell(tx, [Told(message, "refused", reason) for message, reason in refused], now)
    settled = frozenset(m.enrollment_id for m, _ in refused if m.enrollment_id is not None)
    return Queued(settled, Counts(held=len(held), refused=len(refused)))


def _retimed(
    tx: Connection, library: Library, asked: Sequence[Enrollment], now: datetime
) -> set[EnrollmentId]:
    """Whose steps were put off to these hours, so that they do not all leave as they open."""
    graphs = {one.id: library.graph(one.version_id) for one in asked}
    ids = [id_ for id_, graph in graphs.items() if graph is not None and graph.retimes]
    return find_retimed(tx, ids, now - LATE_AFTER) if ids else set()


def _row(
    library: Library, one: Enrollment, effect: QueueMessage, now: datetime, *, is_retimed: bool
) -> dict[str, object]:
    survey = effect.survey or library.survey_of_mail(effect.template)
    topic = library.surveys[survey].topic if survey else effect.topic
    return {
        "customer_id": one.customer_id,
        "enrollment_id": one.id,
        "step": one.step,
        "visit": one.visit,
        "template": effect.template,
        "topic": topic,
        "survey": survey,
        "address": "",
        "status": "queued",
        "reason": RETIMED if is_retimed else "",
        "queued_at": now,
        "due_at": min(one.arrived_at, now),  # what is late says so
        "priority": graph.journey.priority if (graph := library.graph(one.version_id)) else 50,
        "attempts": 0,
        "header_id": header_id(library, f"{one.id}.{one.step}.{one.visit}", now),
    }


def header_id(library: Library, what: str, now: datetime) -> str:
    """A Message-ID that is fixed before the first try and names nobody."""
    domain = domain_of(library.settings.sender.address)
    mark = blake2b(f"{what}/{now.isoformat()}".encode(), digest_size=12).hexdigest()
    return f"{mark}@{domain}"
