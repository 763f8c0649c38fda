"""The latest instants that anything was stored at, found along indexes."""

from datetime import datetime

from sqlalchemy import Connection, select

from store.tables import definitions, events, messages, traits

# One row each, by an index. An imported event may be dated ahead: when it came is what counts.
NEWEST = (
    select(events.c.received_at).order_by(events.c.known_at.desc()).limit(1),
    select(events.c.received_at).order_by(events.c.id.desc()).limit(1),
    select(definitions.c.known_at).order_by(definitions.c.id.desc()).limit(1),
    select(traits.c.known_at).order_by(traits.c.id.desc()).limit(1),
    select(messages.c.queued_at).order_by(messages.c.id.desc()).limit(1),
)
STAMPS = select(*(query.scalar_subquery() for query in NEWEST))


def latest_stamp(connection: Connection) -> datetime | None:
    """The latest of them; None where nothing was ever stored."""
    found = connection.execute(STAMPS).one()
    return max((instant for instant in found if instant is not None), default=None)
