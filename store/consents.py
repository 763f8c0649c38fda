"""What customers allow: a history that only grows; the newest word on a topic stands."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert

from store.customers import load_consents
from store.records import CustomerId
from store.tables import consents, pending_changes


def save_choices(
    tx: Connection, customer_id: CustomerId, choices: Mapping[str, str], source: str, now: datetime
) -> bool:
    """Keep what this customer now says of these topics; False if all of it stood already."""
    standing = load_consents(tx, [customer_id], now).get(customer_id, {})
    news = {topic: status for topic, status in choices.items() if standing.get(topic) != status}
    if not news:
        return False
    tx.execute(
        insert(consents),
        [
            {
                "customer_id": customer_id, "topic": topic, "status": status, "source": source,
                "occurred_at": now, "known_at": now,
            }
            for topic, status in news.items()
        ],
    )  # fmt: skip
    tx.execute(insert(pending_changes).values(customer_id=customer_id))
    return True
