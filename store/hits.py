"""Raw evidence: every request to a message's signed links, and when that message was delivered."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from store.records import Hit, MessageId
from store.standings import note_turns
from store.tables import REPORTED, delivery_events, hits, messages
from store.upserts import insert_or_skip

OURS = "hit:"  # before the hit's id: the delivery events that no provider told us of
# of one message that are read: those of the last seconds tell the most
MOST_HITS = 60
# of one message that are kept: what comes later in the same day, or at all, says nothing new
MOST_OPENS_A_DAY = 50
MOST_LOOKS_A_DAY = 200
MOST_FORMS = 100
DAY = timedelta(days=1)


def save_hit(
    tx: Connection, message_id: MessageId, link: str, method: str, agent: str, now: datetime
) -> Hit:
    """Keep one request as it came; agents are cut to what tells them apart."""
    agent = agent[:300]
    statement = insert(hits).values(
        message_id=message_id, link=link, method=method, agent=agent, occurred_at=now
    )
    number = tx.execute(statement.returning(hits.c.id)).scalar_one()
    return Hit(number, message_id, link, method, agent, now)


def has_room(connection: Connection, message_id: MessageId, link: str, now: datetime) -> bool:
    """Whether one more look at this link is kept: there have not been too many within a day."""
    is_open = hits.c.link == "open"
    kind = is_open if link == "open" else ~is_open
    lately = select(hits.c.id).where(
        hits.c.message_id == message_id,
        hits.c.occurred_at > now - DAY,
        hits.c.method != "POST",
        kind,
    )
    most = MOST_OPENS_A_DAY if link == "open" else MOST_LOOKS_A_DAY
    return connection.execute(lately.offset(most - 1).limit(1)).first() is None


def has_room_for_form(connection: Connection, message_id: MessageId) -> bool:
    """Whether one more form is kept: nobody changes their answer so often."""
    sent = select(hits.c.id).where(hits.c.message_id == message_id, hits.c.method == "POST")
    return connection.execute(sent.offset(MOST_FORMS - 1).limit(1)).first() is None


def load_hits(connection: Connection, message_id: MessageId) -> list[Hit]:
    """The newest looks at one message's links, oldest first."""
    return _load(connection, message_id, hits.c.method != "POST")


def _load(
    connection: Connection, message_id: MessageId, condition: ColumnElement[bool]
) -> list[Hit]:
    newest = (
        select(hits.c.id, hits.c.message_id, hits.c.link, hits.c.method, hits.c.agent)
        .add_columns(hits.c.occurred_at)
        .where(hits.c.message_id == message_id, condition)
        .order_by(hits.c.occurred_at.desc(), hits.c.id.desc())
        .limit(MOST_HITS)
    )
    return [Hit(*row) for row in reversed(connection.execute(newest).all())]


def load_forms(connection: Connection, message_id: MessageId) -> list[Hit]:
    """The newest forms that were sent for one message, oldest first."""
    return _load(connection, message_id, hits.c.method == "POST")


def first_view_at(connection: Connection, message_id: MessageId) -> datetime | None:
    """Return when a survey's page was first asked for by this message's link."""
    views = select(hits.c.occurred_at).where(
        hits.c.message_id == message_id,
        hits.c.method == "GET",
        hits.c.link.startswith("survey:"),
    )
    return connection.execute(views.order_by(hits.c.occurred_at).limit(1)).scalar()


def delivered_at(connection: Connection, message_id: MessageId) -> datetime | None:
    """When the message reached its mailbox or, not known, when the provider took it."""
    arrivals = select(func.min(delivery_events.c.occurred_at, type_=messages.c.sent_at.type)).where(
        delivery_events.c.message_id == message_id, delivery_events.c.kind == "delivered"
    )
    handed = select(func.coalesce(messages.c.sent_at, messages.c.handed_over_at)).where(
        messages.c.id == message_id
    )
    return connection.execute(arrivals).scalar() or connection.execute(handed).scalar()


@dataclass(frozen=True)
class Act:
    """An open or click that a hit amounts to, as it stands among the message's delivery events."""

    hit_id: int
    kind: str  # opened, clicked
    is_machine: bool


def save_act(tx: Connection, act: Act, hit: Hit, now: datetime, details: Mapping[str, Any]) -> None:
    """Tell the message's delivery events of this hit, once."""
    tx.execute(
        insert_or_skip(tx, delivery_events).values(
            message_id=hit.message_id,
            kind=act.kind,
            occurred_at=hit.occurred_at,
            known_at=now,
            provider_event_id=f"{OURS}{act.hit_id}",
            is_machine=act.is_machine,
            details=dict(details),
        )
    )


def load_acts(connection: Connection, seen: Collection[Hit]) -> dict[int, Act]:
    """The opens and clicks that these hits amount to, by the hit's id."""
    query = select(
        delivery_events.c.provider_event_id, delivery_events.c.kind, delivery_events.c.is_machine
    ).where(delivery_events.c.provider_event_id.in_([f"{OURS}{hit.id}" for hit in seen]))
    found = [
        Act(int(row.provider_event_id.removeprefix(OURS)), row.kind, row.is_machine)
        for row in connection.execute(query)
    ]
    return {act.hit_id: act for act in found}


def save_standing(tx: Connection, changed: Iterable[Act], now: datetime) -> None:
    """Write who these opens and clicks turned out to be."""
    for act in changed:
        written = tx.execute(
            update(delivery_events)
            .where(delivery_events.c.provider_event_id == f"{OURS}{act.hit_id}")
            .values(is_machine=act.is_machine)
            .returning(delivery_events.c.id)
        )
        note_turns(tx, REPORTED, dict.fromkeys(written.scalars(), not act.is_machine), now)
