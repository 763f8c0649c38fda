"""`why`: what is behind a mail, and why somebody did or did not enter a journey."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from rekindle.cli.context import parse_instant, say
from rekindle.cli.opening import open_here
from rekindle.cli.segments import explained_text
from rekindle.cli.stamps import IN_UTC, stamp
from rekindle.cli.why_effects import undone_of
from rekindle.cli.why_journey import Standing, decision_line, stand
from rekindle.cli.why_mails import Mail
from rekindle.cli.why_message import Chain, Delivery, advice_for, condition_line, find_chain
from rekindle.errors import WrongUse
from store.portraits import Trip
from store.records import MessageId

TELLERS = {"inbound": "says an email that came back", "sendgrid": "says SendGrid"}


def why(
    words: Annotated[
        list[str], typer.Argument(metavar="MESSAGE | CUSTOMER JOURNEY", show_default=False)
    ],
    at: Annotated[
        str | None, typer.Option("--at", metavar="INSTANT", help="As it was then; else --now.")
    ] = None,
) -> None:
    """The decisions behind a mail; or why a customer is in a journey, or is not."""
    match words:
        case [message] if message.isdigit():
            with open_here() as services:
                chain = find_chain(services, MessageId(int(message)))
            say("\n".join(_chain_lines(chain)), chain.as_document())
        case [_]:
            raise WrongUse("a mail has a number, as 'customer ID' shows it: 'why 42'.")
        case [customer, journey]:
            _why_customer(customer, journey, at)
        case _:
            raise WrongUse("say 'why MESSAGE' or 'why CUSTOMER JOURNEY [--at INSTANT]'.")


def _why_customer(customer: str, journey: str, at: str | None) -> None:
    with open_here() as services:
        seen = services
        if at is not None:
            seen = services.looking_back(parse_instant(at, "--at"))
        standing = stand(seen, customer, journey, seen.clock.now())
    say("\n".join(_standing_lines(standing)), standing.as_document())


def _chain_lines(chain: Chain) -> Iterator[str]:
    mail = chain.mail
    to = mail.customer or "our own people"
    reason = f", because: {mail.reason}" if mail.reason else ""
    yield f"{mail.template} to {to}: {mail.status}{reason} ({IN_UTC})"
    if chain.change:
        yield f"  to change that: {chain.change}"
    if chain.start is not None:
        start = chain.start
        told = f" ({start.segment})" if start.segment else ""
        yield f"{stamp(start.occurred_at)}  {start.event}{told} started {_journey(chain.trip)}"
        yield from (f"    {explained_text(dict(row)).strip()}" for row in start.conditions)
    for one in chain.links:
        yield decision_line(one.decision)
        yield from (f"    {condition_line(row)}" for row in one.conditions)
    for delivery in chain.deliveries:
        yield f"{stamp(delivery.at)}  {_delivery_text(delivery)}"
    for suppression in chain.suppressions:
        detail = f" ({suppression.detail})" if suppression.detail else ""
        since = stamp(suppression.known_at)
        yield f"{since}  the address was suppressed: {suppression.reason}{detail}"


def _delivery_text(delivery: Delivery) -> str:
    """What became of it, whose word that is, and what the server said."""
    told = delivery.details
    by = " by a machine" if delivery.is_machine else ""
    final = " for good" if delivery.kind == "bounced" and told.get("hard") else ""
    source = f", {TELLERS[delivery.source]}" if delivery.source in TELLERS else ""
    words = [told.get("status"), told.get("said") or told.get("reason") or told.get("response")]
    said = ": ".join(str(word) for word in words if word)
    return f"{delivery.kind}{final}{by}{source}" + (f": {said}" if said else "")


def _journey(trip: Trip | None) -> str:
    if trip is None:
        return "it"
    return f"{trip.journey} ({trip.key})" if trip.key else trip.journey


def _standing_lines(standing: Standing) -> Iterator[str]:
    who = f"{standing.customer} and {standing.journey}"
    yield f"{who} at {stamp(standing.at)} ({IN_UTC}): {standing.verdict}"
    yield from (f"  {one.in_words()}" for one in standing.pauses)
    for trip in standing.trips:  # what happened comes first
        yield from _trip_lines(standing, trip)
        yield from (_mail_line(one) for one in standing.mails if one.enrollment_id == trip.id)
    if standing.trips and standing.reasons:
        yield "  to start once more:"
    indent = "    " if standing.trips else "  "
    yield from (indent + line for line in _what_is_lacking(standing))


def _what_is_lacking(standing: Standing) -> Iterator[str]:
    for one in standing.reasons:
        yield one.reason + (f"; {one.change}." if one.change else ".")
    for name, rows in standing.segments.items():
        yield f"{'is in' if rows[0]['holds'] else 'is not in'} {name}:"
        yield from map(explained_text, rows)


def _trip_lines(standing: Standing, trip: Trip) -> Iterator[str]:
    key = f" ({trip.key})" if trip.key else ""
    held = ", held out by a stable hash: it walks without effects" if trip.is_held_out else ""
    over = f", {trip.ended} {stamp(trip.ended_at)}" if trip.ended and trip.ended_at else ""
    yield f"  from {stamp(trip.started_at)}{key}{held}{over}"
    for line in trip.decisions:
        is_shadow = line.decision == "shadowed"
        advice = "its status is 'shadow'" if is_shadow else advice_for(line.reason)
        became = [one.in_words() for one in undone_of(standing.undone, trip, line)]
        yield "    " + "; ".join(part for part in (decision_line(line), advice, *became) if part)
    if trip.ended is None and trip.step is not None:
        yield f"    waits at {trip.step}{_until(trip.due_at, is_paused=bool(standing.pauses))}"


def _until(due_at: datetime | None, *, is_paused: bool) -> str:
    due = f" until {stamp(due_at)}" if due_at else ""
    if is_paused:  # what is due meanwhile waits for that too
        return f"{due}, until the journey is resumed"
    return due or ", until something happens"


def _mail_line(mail: Mail) -> str:
    advice = advice_for(mail.reason)
    because = f", because: {mail.reason}" if mail.reason else ""
    return f"    mail {mail.id}, {mail.template}: {mail.status}{because}" + (
        f"; {advice}" if advice else ""
    )
