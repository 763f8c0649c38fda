"""Reports by email leave one state, in whatever order and however often they come."""

from datetime import timedelta
from itertools import combinations
from random import Random
from typing import Any

from sqlalchemy import insert, select

from rekindle.settings import Settings
from store.customers import find_customer
from store.events import load_timeline
from store.intake import record_customers
from store.records import IncomingCustomer, Returned
from store.returns import act_on
from store.session import Store
from store.suppressions import find_suppressed
from store.tables import delivery_events, messages
from tests.conftest import MONDAY

DAY = timedelta(days=1)
LATER = MONDAY + 30 * DAY
Said = tuple[str, bool, str, bool]  # kind, hard, status, whether it names the address
HARD: Said = ("bounce", True, "5.1.1", True)
OTHER_HARD: Said = ("bounce", True, "5.1.10", True)
SOFT: Said = ("bounce", False, "4.2.2", True)
REDACTED: Said = ("complaint", False, "", False)
COMPLAINT: Said = ("complaint", False, "", True)
DELAYED: Said = ("report", False, "4.4.1", True)
AWAY: Said = ("auto_reply", False, "", True)
REPLY: Said = ("reply", False, "", True)
EVERY = (HARD, OTHER_HARD, SOFT, REDACTED, COMPLAINT, DELAYED, AWAY, REPLY)


def a_customer_with_a_mail(store: Store, name: str) -> None:
    with store.begin() as tx:
        traits = {"email": f"{name}@example.com"}
        record_customers(tx, [IncomingCustomer(name, traits)], now=MONDAY)
        tx.execute(
            insert(messages).values(
                customer_id=find_customer(tx, name), template="hello", status="sent", topic="x",
                address=f"{name}@example.com", queued_at=MONDAY, sent_at=MONDAY,
                header_id=f"{name}@shop",
            )
        )  # fmt: skip


def state_after(store: Store, name: str, order: list[Said]) -> dict[str, Any]:
    """What is left of these reports about a mail to a customer of that name, made for it."""
    a_customer_with_a_mail(store, name)
    for said in order:
        kind, hard, status, names_it = said
        recipient = f"{name}@example.com" if names_it else ""
        mark = f"{name}-{EVERY.index(said)}"
        with store.begin() as tx:
            item = Returned(recipient, kind, hard, status, mark, f"{name}@shop")
            act_on(tx, [item], MONDAY + DAY, Settings())
    with store.read() as connection:
        customer = find_customer(connection, name)
        assert customer is not None
        mail = connection.execute(
            select(messages.c.id, messages.c.status, messages.c.reason).where(
                messages.c.customer_id == customer
            )
        ).one()
        told = select(delivery_events.c.kind).where(delivery_events.c.message_id == mail.id)
        suppressed = find_suppressed(connection, [f"{name}@example.com"], LATER)
        return {
            "mail": (mail.status, mail.reason),
            "suppressed": [*suppressed.values()],
            "told": sorted(connection.scalars(told)),
            "events": sorted(e.name for e in load_timeline(connection, customer, LATER)),
        }


def test_two_reports_in_either_order(store: Store):
    for number, pair in enumerate(combinations(EVERY, 2)):
        first = state_after(store, f"ana{number}", [*pair])

        assert state_after(store, f"bea{number}", [*reversed(pair)]) == first, pair
        assert state_after(store, f"cem{number}", [pair[0], *pair, pair[0]]) == first, pair


def test_any_reports_in_any_order_and_often(store: Store):
    for seed in range(15):
        chance = Random(seed)
        chosen = chance.sample(EVERY, chance.randint(2, len(EVERY)))
        shuffled = chance.sample(chosen * 3, len(chosen) * 3)

        once = state_after(store, f"once{seed}", chosen)

        assert state_after(store, f"often{seed}", shuffled) == once, (chosen, shuffled)
