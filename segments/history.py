"""How a segment became what it is: entries and leavings as they were told, and its size by day."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import CTE, Select, and_, case, func, or_, select

from segments.dates import EPOCH_DAY, add_local_day
from segments.instants import as_instant, instant, micros
from segments.values import JsonValue
from store.records import Actor
from store.tables import customers, event_kinds, events

ENTERED, LEFT = "segment.entered", "segment.left"


def changes(segment: str, now: datetime, limit_rows: int) -> Select[Any]:
    """The latest entries and leavings known at `now`: external id, name of the event, at, cause."""
    own = _changes(segment, now).c
    return (
        select(customers.c.external_id, own.name, as_instant(own.at).label("at"), own.cause)
        .join(customers, customers.c.id == own.customer_id)
        .order_by(own.at.desc(), own.id.desc())
        .limit(limit_rows)
    )


def days(segment: str, now: datetime, zone: ZoneInfo) -> Select[Any]:
    """For each day of the zone on which anything changed: since_1970, entered, left; in order."""
    own = add_local_day(_changes(segment, now), "at", zone, name="since_1970").c
    entered = func.sum(case((own.name == ENTERED, 1), else_=0))
    left = func.sum(case((own.name == LEFT, 1), else_=0))
    return (
        select(own.since_1970, entered.label("entered"), left.label("left"))
        .group_by(own.since_1970)
        .order_by(own.since_1970)
    )


def day_since_1970(number: int) -> Any:
    """The date that many days after the first of 1970."""
    return EPOCH_DAY + timedelta(days=number)


def _changes(segment: str, now: datetime) -> CTE:
    """What was told of the segment; who was in it twice, as after a merge, entered it once."""
    named = JsonValue.named(events.c.properties, "segment").text
    before = func.lag(event_kinds.c.name).over(
        partition_by=events.c.customer_id, order_by=(events.c.occurred_at, events.c.id)
    )
    told = (
        select(
            events.c.id,
            events.c.customer_id,
            event_kinds.c.name,
            micros(events.c.occurred_at).label("at"),
            JsonValue.named(events.c.properties, "cause").text.label("cause"),
            before.label("before"),
        )
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .where(
            event_kinds.c.name.in_([ENTERED, LEFT]),
            event_kinds.c.actor == Actor.REKINDLE,
            named == segment,
            micros(events.c.occurred_at) <= instant(now),
            micros(events.c.known_at) <= instant(now),
        )
        .cte()
    )
    is_first = told.c.before.is_(None)
    turns = or_(and_(is_first, told.c.name == ENTERED), told.c.before != told.c.name)
    return select(told).where(turns).cte()
