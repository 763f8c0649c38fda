"""Tells our people of what somebody did who is no customer, such as an angry post: nobody's journey
ever will.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Text, cast, func, literal, select

from rekindle.errors import TemplateFailed
from rekindle.services import Services
from rekindle.settings import Settings, Stranger
from segments.conditions.event import Event
from segments.kinds import kinds_named
from store.effects import NO_ENROLLMENT
from store.records import NOBODY
from store.tables import effects, event_kinds, events
from store.upserts import insert_or_skip
from templates.render import render_words
from workers.receivers import receiver_of

LATELY = timedelta(days=1)  # what occurred before then is history
HOUR = timedelta(hours=1)
MOST_AN_HOUR = 30  # whoever posts a thousand times fills nobody's inbox; the rest waits its turn
STEP = "stranger:"


def tell_of_strangers(services: Services, now: datetime) -> int:
    """Make a notice for each event without a customer that the settings ask to be told of, once;
    return how many.
    """
    if services.is_rehearsal:
        return 0
    with services.store.read() as connection:
        settings = services.library(connection).settings
        if not settings.strangers:
            return 0
        left = MOST_AN_HOUR - _count_lately(connection, now)
        rows: list[dict[str, Any]] = []
        for number, rule in enumerate(settings.strangers):
            if left > len(rows):
                rows += _notices(connection, settings, rule, number, now, left - len(rows))
    if rows:
        with services.store.begin() as tx:
            tx.execute(insert_or_skip(tx, effects), rows)
    return len(rows)


def condition_of(rule: Stranger) -> Event:
    """Return what a rule asks as a condition. Raises ValueError (pydantic's) for what is none."""
    return Event.model_validate({"event": list(rule.event), "where": dict(rule.where)})


def _count_lately(connection: Connection, now: datetime) -> int:
    query = select(func.count()).where(
        effects.c.enrollment_id == NO_ENROLLMENT, effects.c.made_at > now - HOUR
    )
    return connection.scalar(query) or 0


def _notices(
    connection: Connection,
    settings: Settings,
    rule: Stranger,
    number: int,
    now: datetime,
    limit_rows: int,
) -> Iterable[dict[str, Any]]:
    told = select(1).where(
        effects.c.enrollment_id == NO_ENROLLMENT,
        effects.c.step == literal(STEP) + cast(events.c.id, Text),
        effects.c.visit == number,
    )
    query = (
        select(events.c.id, event_kinds.c.name, event_kinds.c.channel, events.c.occurred_at,
               events.c.properties)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .where(
            events.c.kind_id.in_(kinds_named(rule.event)),
            events.c.occurred_at > now - LATELY,
            events.c.occurred_at <= now,
            events.c.customer_id == NOBODY,
            *condition_of(rule).asks(events),
            ~told.exists(),
        )
        .order_by(events.c.id)
        .limit(limit_rows)
    )  # fmt: skip
    targets: Sequence[str] = settings.people.get(rule.notify, ("log:",))
    for row in connection.execute(query).all():
        about = {"name": row.name, "channel": row.channel, "occurred_at": row.occurred_at}
        text = _words(settings, rule, {**row.properties, **about}, now)
        for ordinal, target in enumerate(targets):
            payload = {"target": target, "message": text}
            yield {
                "enrollment_id": NO_ENROLLMENT,
                "step": f"{STEP}{row.id}",
                "visit": number,
                "ordinal": ordinal,
                "kind": "notify",
                "payload": payload,
                "receiver": receiver_of("notify", payload),
                "status": "due",
                "attempts": 0,
                "made_at": now,
                "due_at": now,
            }


def _words(settings: Settings, rule: Stranger, event: dict[str, Any], now: datetime) -> str:
    context = {"event": event, "brand": settings.brand, "now": now}
    try:
        return render_words(rule.message, context, settings.brand.language)
    except TemplateFailed as error:
        return f"{event['name']}: somebody who is no customer yet. ({error})"
