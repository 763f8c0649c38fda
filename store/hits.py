"""Raw evidence: every request to a message's signed links, and when that message was delivered."""

from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from store.records import Hit, MessageId
from store.tables import delivery_events, hits, messages

MOST_HITS = 500  # of one message that are looked at; whoever asks more often is no person


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


def load_hits(connection: Connection, message_id: MessageId) -> list[Hit]:
    """The newest requests of one message, oldest first."""
    newest = (
        select(hits.c.id, hits.c.message_id, hits.c.link, hits.c.method, hits.c.agent)
        .add_columns(hits.c.occurred_at)
        .where(hits.c.message_id == message_id)
        .order_by(hits.c.id.desc())
        .limit(MOST_HITS)
    )
    return [Hit(*row) for row in reversed(connection.execute(newest).all())]


def delivered_at(connection: Connection, message_id: MessageId) -> datetime | None:
    """When the message reached its mailbox or, not known, when the provider took it."""
    arrivals = select(func.min(delivery_events.c.occurred_at, type_=messages.c.sent_at.type)).where(
        delivery_events.c.message_id == message_id, delivery_events.c.kind == "delivered"
    )
    handed = select(func.coalesce(messages.c.sent_at, messages.c.handed_over_at)).where(
        messages.c.id == message_id
    )
    return connection.execute(arrivals).scalar() or connection.execute(handed).scalar()
