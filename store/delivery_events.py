"""What providers have reported of late."""

from datetime import datetime

from sqlalchemy import Connection, select

from store.hits import OURS
from store.tables import delivery_events

LATEST = 200  # delivery events that are looked at, whatever there are in all
OF_OURS = (OURS, "dialogue:")  # before the marks of what we saw ourselves
TAKEN = "sent"  # the delivery event of an email that its provider took


def count_unreported(connection: Connection, until: datetime) -> int:
    """Return how many emails were taken until then since a provider last reported of any; counted
    among the latest delivery events.
    """
    latest = select(
        delivery_events.c.kind, delivery_events.c.provider_event_id, delivery_events.c.known_at
    ).order_by(delivery_events.c.id.desc())
    count = 0
    for row in connection.execute(latest.limit(LATEST)):
        if row.provider_event_id and not row.provider_event_id.startswith(OF_OURS):
            break
        count += row.kind == TAKEN and row.known_at <= until
    return count
