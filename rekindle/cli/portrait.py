"""One customer as `rekindle customer ID` shows them to people."""

from collections.abc import Iterator
from datetime import datetime

from rekindle.cli.stamps import IN_UTC, stamp
from rekindle.cli.why_journey import decision_line
from rekindle.portrait import Mailbox, Portrait
from store.portraits import MailLine, SaidLine, Trip
from store.records import StoredEvent


def as_text(portrait: Portrait) -> str:
    """A page for people, the latest last."""
    return "\n".join(_lines(portrait))


def _lines(portrait: Portrait) -> Iterator[str]:
    yield f"{portrait.customer.external_id} ({IN_UTC})"
    yield from (f"  {name}: {value}" for name, value in sorted(portrait.customer.traits.items()))
    yield from (f"  {i.kind}: {i.value}" for i in portrait.identities)
    yield from (f"  consent to {topic}: {status}" for topic, status in portrait.consents.items())
    yield from _mailbox_lines(portrait.mailbox)
    yield from _section("Drift", (str(d["sentence"]) for d in portrait.drift.values()))
    yield from _section("Segments", map(_segment_line, portrait.segments))
    yield from _section("Journeys", _trip_lines(portrait.trips))
    yield from _section("Mails", map(_mail_line, reversed(portrait.mails)))
    yield from _section("Answers", map(_said_line, reversed(portrait.answers)))
    yield from _section("Events", map(_event_line, portrait.events))


def _mailbox_lines(mailbox: Mailbox) -> Iterator[str]:
    if not mailbox.address:
        yield "  mailbox: no usable address"
    if mailbox.suppressed:
        yield f"  mailbox {mailbox.address}: suppressed ({mailbox.suppressed})"
    for topic, status in mailbox.consents.items():
        yield f"  mailbox {mailbox.address}: {topic} {status} by a link in an email"


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == 0:
            yield ""
            yield title
        yield f"  {line}"


def _segment_line(place: tuple[str, datetime | None, datetime | None]) -> str:
    name, since, check = place
    entered = f" since {stamp(since)}" if since else ""
    return f"{name}{entered}" + (f", looked at again {stamp(check)}" if check else "")


def _trip_lines(trips: list[Trip]) -> Iterator[str]:
    for trip in reversed(trips):
        key = f" ({trip.key})" if trip.key else ""
        held = ", held out" if trip.is_held_out else ""
        stands = f"at {trip.step}" if trip.ended is None else f"{trip.ended} {stamp(trip.ended_at)}"
        yield f"{trip.journey}{key} from {stamp(trip.started_at)}{held}: {stands}"
        for line in trip.decisions:
            yield f"  {decision_line(line)}"


def _mail_line(mail: MailLine) -> str:
    reason = f" ({mail.reason})" if mail.reason else ""
    return f"{stamp(mail.at)}  {mail.template}: {mail.status}{reason}"


def _said_line(answer: SaidLine) -> str:
    comment = f" {answer.comment!r}" if answer.comment else ""
    aside = "" if answer.is_counted else " (a machine)"
    return f"{stamp(answer.answered_at)}  {answer.survey}: {answer.score}{comment}{aside}"


def _event_line(event: StoredEvent) -> str:
    told = ", ".join(f"{name}={value}" for name, value in event.properties.items())
    return f"{stamp(event.occurred_at)}  {event.name} [{event.channel}] {told}".rstrip()
