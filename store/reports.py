"""Keeps what a provider reports of mails, in sets; what was reported before changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from rekindle.addresses import canonical
from store.blocking import suppress_addresses
from store.enrollments import wake_enrollments
from store.fates import FOLLOWS, raise_status
from store.identities import load_owners
from store.intake import OwnEvent, record_own_events
from store.records import NOBODY, Actor, CustomerId, Identity, MessageId, Report
from store.returns import describe_report, find_failing
from store.tables import delivery_events, messages
from store.upserts import insert_or_skip_returning

BY_PEOPLE = ("opened", "clicked")
CAME_BACK = ("bounced", "complained")
LATELY = timedelta(days=7)  # servers give up sooner
CLOCKS_DIFFER = timedelta(minutes=5)  # theirs and ours, at most
Mails = Mapping[str, Row[Any]]  # by the report's mark
MAIL = (
    messages.c.id,
    messages.c.customer_id,
    messages.c.enrollment_id,
    messages.c.template,
    messages.c.topic,
    messages.c.address,
    messages.c.provider_message_id,
)


def record_reports(tx: Connection, reports: Sequence[Report], now: datetime) -> set[CustomerId]:
    """Keep, mark, tell, suppress and wake; returns whose picture changed."""
    found = {**_find_last(tx, reports), **_find_mails(tx, reports)}
    once = {one.mark: one for one in reports}
    ours = [one for mark, one in once.items() if mark in found]
    news = _keep(tx, ours, found, now)
    _mark(tx, news, found, now)
    told = [one for one in news if one.kind != "unsubscribed" and not one.is_machine]
    record_own_events(tx, [_event(one, found[one.mark]) for one in told], now)
    woken = {found[one.mark].enrollment_id for one in news} - {None}
    wake_enrollments(tx, sorted(woken), now)
    changed = {CustomerId(found[one.mark].customer_id) for one in news}
    # a bounce is a bounce whoever wrote; leaving somebody else's list says nothing of ours
    final = [one for one in once.values() if one.kind != "unsubscribed" or one.mark in found]
    return changed | _suppress(tx, final, news, found, now)


def _find_mails(tx: Connection, reports: Sequence[Report]) -> Mails:
    """By our id where it went to that address (an account may serve two of us), else by theirs.

    Theirs is known by itself, whichever address the report names.
    """
    ids = {one.message_id for one in reports if one.message_id is not None}
    # their ids have no index: asked only for what came without ours, compared in what was found
    theirs = {one.provider_message_id for one in reports if one.message_id is None} - {""}
    query = select(*MAIL).where(
        or_(messages.c.id.in_(ids), messages.c.provider_message_id.in_(theirs)),
        messages.c.customer_id != NOBODY,
    )
    rows = list(tx.execute(query))
    by_id = {(row.id, canonical(row.address)): row for row in rows}
    by_theirs = {row.provider_message_id: row for row in rows if row.provider_message_id}
    found: dict[str, Any] = {}
    for one in reports:
        row = by_id.get((one.message_id, canonical(one.address)))
        row = row or by_theirs.get(one.provider_message_id)
        if row is not None:
            found[one.mark] = row
    return found


def _find_last(tx: Connection, reports: Sequence[Report]) -> Mails:
    """What came back and names no mail, as what a server finds out later may: the last one that had
    left for that address by then.
    """
    nameless = [
        one
        for one in reports
        if one.kind in CAME_BACK and one.message_id is None and not one.provider_message_id
    ]
    if not nameless:
        return {}
    owners = load_owners(tx, [Identity.of_email(one.address) for one in nameless])
    left_at = func.coalesce(
        messages.c.sent_at, messages.c.handed_over_at, type_=messages.c.sent_at.type
    )
    query = (
        select(*MAIL, left_at.label("left_at"))
        .where(
            messages.c.customer_id.in_({who for found in owners.values() for who in found}),
            left_at > min(one.occurred_at for one in nameless) - LATELY,
        )
        .order_by(left_at, messages.c.id)
    )
    sent: dict[str, list[Any]] = {}
    for row in tx.execute(query):
        sent.setdefault(canonical(row.address), []).append(row)
    return {
        one.mark: before[-1]
        for one in nameless
        if (before := _left_before(sent.get(canonical(one.address), ()), one.occurred_at))
    }


def _left_before(mails: Sequence[Any], at: datetime) -> Sequence[Any]:
    return [mail for mail in mails if at - LATELY < mail.left_at <= at + CLOCKS_DIFFER]


def _keep(tx: Connection, reports: Sequence[Report], found: Mails, now: datetime) -> list[Report]:
    """Those that are news; what comes once to a mail may be reported under several marks."""
    reports = _without_repeated(tx, reports, found)
    rows = [
        {
            "message_id": found[one.mark].id,
            "kind": one.kind,
            "occurred_at": one.occurred_at,
            "known_at": now,
            "provider_event_id": one.mark,
            "is_machine": one.is_machine,
            "details": dict(one.details),
        }
        for one in reports
    ]
    if not rows:
        return []
    statement = insert_or_skip_returning(tx, delivery_events, delivery_events.c.provider_event_id)
    written = set(tx.scalars(statement, rows))
    return [one for one in reports if one.mark in written]


def _without_repeated(tx: Connection, reports: Sequence[Report], found: Mails) -> Sequence[Report]:
    ids = sorted({found[one.mark].id for one in reports if one.kind in FOLLOWS})
    if not ids:
        return reports
    # the same may be posted twice at once
    tx.execute(
        select(messages.c.id)
        .where(messages.c.id.in_(ids))
        .order_by(messages.c.id)
        .with_for_update()
    )
    known = select(
        delivery_events.c.message_id,
        delivery_events.c.kind,
        delivery_events.c.occurred_at,
        delivery_events.c.details,
    ).where(delivery_events.c.message_id.in_(ids), delivery_events.c.kind.in_(FOLLOWS))
    seen = {(id_, kind, at, _reason(details)) for id_, kind, at, details in tx.execute(known)}
    news = []
    for one in reports:
        key = (found[one.mark].id, one.kind, one.occurred_at, _reason(one.details))
        if one.kind not in FOLLOWS or key not in seen:
            news.append(one)
            seen.add(key)
    return news


def _reason(details: Mapping[str, Any]) -> str:
    return str(details.get("reason", ""))


def _mark(tx: Connection, news: Sequence[Report], found: Mails, now: datetime) -> None:
    for kind in FOLLOWS:
        raise_status(tx, {found[one.mark].id for one in news if one.kind == kind}, kind, now)


def _event(report: Report, mail: Row[Any]) -> OwnEvent:
    about = {"message": mail.id, "template": mail.template, "topic": mail.topic}
    return OwnEvent(
        customer_id=CustomerId(mail.customer_id),
        name=f"message.{report.kind}",
        occurred_at=report.occurred_at,
        message_id=report.mark,
        properties={**report.details, **about},
        actor=Actor.CUSTOMER if report.kind in BY_PEOPLE else Actor.REKINDLE,
    )


def _suppress(
    tx: Connection, final: Iterable[Report], news: Sequence[Report], found: Mails, now: datetime
) -> set[CustomerId]:
    details: dict[str, dict[str, str]] = {}  # by reason and mailbox
    for one in final:
        if one.suppression:
            said = dict.fromkeys(_mailboxes(one, found), _detail(one, found))
            details.setdefault(one.suppression, {}).update(said)
    soft = [one for one in news if one.kind == "bounced" and not one.suppression]
    if soft:
        owners = {CustomerId(found[one.mark].customer_id) for one in soft}
        latest = {canonical(found[one.mark].address): _detail(one, found) for one in soft}
        failing = find_failing(tx, latest, owners, now)
        details["soft_bounces"] = {mailbox: latest[mailbox] for mailbox in failing}
    changed: set[CustomerId] = set()
    for reason, items in sorted(details.items()):
        receipt = suppress_addresses(tx, sorted(items.items()), now, reason=reason)
        changed.update(receipt.customer_ids)
    return changed


def _mailboxes(report: Report, found: Mails) -> set[str]:
    """The one that is named and the one that we wrote to."""
    mail = found.get(report.mark)
    return {canonical(report.address), canonical(mail.address) if mail else ""} - {""}


def _detail(report: Report, found: Mails) -> str:
    mail = found.get(report.mark)
    said = report.details.get("reason") or report.details.get("response") or ""
    about = MessageId(mail.id) if mail else None
    return describe_report(about, str(report.details.get("status", "")), str(said))
