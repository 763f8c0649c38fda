"""What customers allow: a history that only grows; the newest word on a topic stands."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from store.customers import load_consents
from store.events import note_changes
from store.knowledge import NewConsent, insert_consents
from store.records import CustomerId


def save_choices(
    tx: Connection, customer_id: CustomerId, choices: Mapping[str, str], source: str, now: datetime
) -> bool:
    """Keep what this customer now says of these topics; False if all of it stood already."""
    standing = load_consents(tx, [customer_id], now).get(customer_id, {})
    news = {topic: status for topic, status in choices.items() if standing.get(topic) != status}
    if not news:
        return False
    insert_consents(
        tx,
        [
            NewConsent(customer_id, topic, status, source, now, now)
            for topic, status in news.items()
        ],
    )
    note_changes(tx, [(customer_id, None)])
    return True
