"""A provider that does as a test says, and crowds to be mailed by it."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from adapters.email.base import BeforeLastByte, OutgoingEmail, ProviderMessageId
from store.tables import messages
from tests.shop import Shop
from tests.workers.journeys import write_journey
from workers.channels import ChannelPool, Timing
from workers.schedule import work_off

Act = Callable[[OutgoingEmail], object]  # raises what the provider raises


def nothing(_email: OutgoingEmail) -> None:
    """Take it."""


@dataclass
class Scripted:
    """Keeps what it takes. `before` and `after` are asked around the mark of each mail: what is
    raised before it was not handed over.
    """

    before: Act = nothing
    after: Act = nothing
    connections: int = 1
    is_idempotent: bool = False
    name: str = "scripted"
    taken: list[OutgoingEmail] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self) -> "Scripted":
        return self

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        self.before(email)
        before_last_byte()
        with self.lock:
            self.taken.append(email)
        self.after(email)
        return ProviderMessageId(f"theirs-{email.message_id}")

    def close(self) -> None:
        """Nothing is open."""

    @property
    def times(self) -> Counter[str]:
        return Counter(email.to for email in self.taken)


def connect(shop: Shop, provider: Scripted, **timing: Any) -> Scripted:
    """Have the shop's process send through it."""
    shop.process.pool = ChannelPool(provider, Timing(**timing))
    return provider


def crowd(shop: Shop, size: int, topic: str = "offers") -> None:
    """So many customers for each of whom a mail is queued, in their order."""
    write_journey(
        shop, "hello", "start: [{event: came}]\nholdout: none\nbecause: a test\n"
        "steps: [{send: hello}]\n", topic=topic,
    )  # fmt: skip
    shop.mail("hello")
    shop.apply()
    for number in range(size):
        shop.customer(f"c{number:04}")
        shop.happens("came", f"c{number:04}")
    work_off(shop.services)


def rows(shop: Shop) -> list[Mapping[str, Any]]:
    """Every message as it stands, in order."""
    with shop.services.store.read() as connection:
        found = connection.execute(select(messages).order_by(messages.c.id)).mappings()
        return [dict(row) for row in found]


def statuses(shop: Shop) -> Counter[str]:
    return Counter(row["status"] for row in rows(shop))


def address(number: int) -> str:
    """Of one customer of the crowd."""
    return f"c{number:04}@example.com"
