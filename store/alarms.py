"""What is wrong and needs a person: raised once, until it is cleared."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from store.tables import alarms

FAILED = "segment.failed"
STALE = "segment.stale"
AHEAD = "clock.ahead"
UNWRITTEN = "mail.unwritten"
PLAINLY = "notice.unwritten"
COMPLAINTS = "journey.complaints"
STOPPED = "journey.stopped"
GIVEN_UP = "mail.given_up"
PROVIDER = "provider.unavailable"
UNREPORTED = "reports.missing"
EFFECT = "effect.failed"
RECEIVER = "receiver.failing"
STANDSTILL = "lane.standstill"
HELD = "sending.held"
SOURCE = "source.failing"
DISK = "disk.full"
REFUSED = "webhooks.refused"
BROKEN = "page.broken"

# what to do about each; `docs/operate.md` lists them all with what raises and what clears them
REMEDIES: Mapping[str, str] = {
    FAILED: "Correct the rule and apply it: it is tried again at once.",
    STALE: "See that a worker serves the lane journeys, and that the database keeps up.",
    AHEAD: "Set the clock of the database server, or of the machine where there is none.",
    UNWRITTEN: "Correct the template and apply it; 'rekindle export messages' says whose failed.",
    PLAINLY: "Correct the words of that step's message and apply them.",
    COMPLAINTS: "Look at whom this journey emails and why, before it stops itself.",
    STOPPED: "Find out why these emails came back, then POST /api/v1/journeys/NAME/resume.",
    GIVEN_UP: "When their provider takes emails again, 'rekindle messages retry' sends them.",
    PROVIDER: "See to what the provider says; 'rekindle doctor --repair' has it tried at once.",
    UNREPORTED: "See that the provider posts its events to /hooks/sendgrid/events, and that"
    " 'sendgrid.webhook_public_key' is the key with which it signs them.",
    EFFECT: "'rekindle why CUSTOMER JOURNEY' says what the receiver answered; what failed is not"
    " made again.",
    RECEIVER: "See to the receiver, or let calls reach it where the reason says so; "
    "what waits for it is sent once it answers, for three days.",
    STANDSTILL: "Start a worker for this lane; where one runs, its log says what it is doing.",
    REFUSED: "See that its secret in rekindle.yaml is the one with which it signs, and have it send"
    " one again; if you do not use it, take its part out of the settings.",
    BROKEN: "The log says more at request.failed. Correct the page if it is one of your own under"
    " templates/web/; else upgrade, and tell us.",
    DISK: "Free some room on that disk, or do what else it says: what cannot be stored is refused,"
    " and nothing that was acknowledged is lost.",
    SOURCE: "See to the database, its URL and the query; it is tried again when it is due.",
    HELD: "When what it was for is done, 'rekindle release' lets everything leave.",
}


def raise_alarm(tx: Connection, kind: str, subject: str, message: str, now: datetime) -> None:
    """Say that something is wrong with `subject`; one that is raised already is left as it is.

    `kind` is one of `REMEDIES`.
    """
    is_same = (alarms.c.kind == kind) & (alarms.c.subject == subject)
    standing = select(alarms.c.id).where(is_same, alarms.c.cleared_at.is_(None))
    if tx.execute(standing).first() is None:
        row = {"kind": kind, "subject": subject, "message": message, "raised_at": now}
        tx.execute(insert(alarms).values(row))


def restate_alarm(tx: Connection, kind: str, subject: str, message: str) -> None:
    """Say of one that stands how it is by now."""
    tx.execute(
        update(alarms)
        .where(alarms.c.kind == kind, alarms.c.subject == subject, alarms.c.cleared_at.is_(None))
        .values(message=message)
    )


def clear_alarms(tx: Connection, kind: str, subjects: Collection[str], now: datetime) -> None:
    """They are well again."""
    tx.execute(
        update(alarms)
        .where(alarms.c.kind == kind, alarms.c.subject.in_(subjects), alarms.c.cleared_at.is_(None))
        .values(cleared_at=now)
    )


def raised_until(connection: Connection, kind: str, until: datetime) -> frozenset[str]:
    """Of what there is such an alarm since then or longer."""
    is_old = (alarms.c.kind == kind) & (alarms.c.raised_at <= until)
    return frozenset(
        connection.scalars(select(alarms.c.subject).where(is_old, alarms.c.cleared_at.is_(None)))
    )


def load_standing(connection: Connection, kind: str) -> frozenset[str]:
    """Of what there is such an alarm at present."""
    query = select(alarms.c.subject).where(alarms.c.kind == kind, alarms.c.cleared_at.is_(None))
    return frozenset(connection.scalars(query))
