"""Opens and clicks that nobody recorded, where somebody wants to assume that there are some."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from journeys.chance import stable_share
from rekindle.rehearsal.entries import LAST, Entry
from rekindle.rehearsal.matching import Mails, Record
from store.records import CustomerId
from store.tables import messages

AFTER = timedelta(hours=1)  # from sending to opening, and to clicking


@dataclass(frozen=True)
class Rates:
    """The shares of unrecorded mails that are opened and clicked; nothing unless somebody says."""

    opened: float = 0.0
    clicked: float = 0.0  # of all mails, so at most as many as are opened

    @property
    def shares(self) -> Mapping[str, float]:
        return {"opened": self.opened, "clicked": self.clicked}


@dataclass(frozen=True)
class Assumed(Entry):
    """An open or a click of a simulated mail."""

    message_id: int
    customer_id: CustomerId
    kind: str
    template: str
    topic: str


@dataclass
class Assumptions:
    """Makes the assumed responses of mails as they are sent; the same mail, the same response."""

    rates: Rates
    record: Record
    mails: Mails
    _sent_until: datetime | None = field(default=None, init=False)

    def about_new_mails(self, connection: Connection, now: datetime) -> Iterator[Assumed]:
        """Responses to what was sent since the last time, of mails that no recorded one matches."""
        if not any(self.rates.shares.values()):
            return
        since, self._sent_until = self._sent_until, now
        query = select(
            messages.c.id, messages.c.customer_id, messages.c.template, messages.c.topic,
            messages.c.sent_at,
        ).where(messages.c.sent_at <= now, messages.c.enrollment_id.is_not(None))  # fmt: skip
        if since is not None:
            query = query.where(messages.c.sent_at > since)
        for row in connection.execute(query):
            place = self.mails.by_id.get(row.id)
            if place is None or place in self.record.outcomes:
                continue
            (journey, _, key, ordinal), step, visit = place
            luck = stable_share(row.customer_id, journey, key, str(ordinal), step, str(visit))
            for kind, share in self.rates.shares.items():
                if luck < share:
                    yield Assumed(
                        row.sent_at + AFTER, LAST, row.id, row.customer_id, kind, row.template,
                        row.topic,
                    )  # fmt: skip
