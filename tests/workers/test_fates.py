"""Whoever writes first: our own result, a report, a mail that came back; the end is the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, permutations

import pytest
from sqlalchemy import Connection, insert, select

from rekindle.settings import Settings
from store.claims import save_sendings
from store.customers import find_customer
from store.intake import record_customers
from store.messages import Sending, load_messages
from store.records import IncomingCustomer, MessageId, Report, Returned
from store.reports import record_reports
from store.returns import act_on
from store.session import Store
from store.tables import delivery_events, messages
from tests.conftest import MONDAY
from workers.settling import Rules, settle

ANA = "ana@example.com"
CLAIM = "a claim@here/1/1"
REPORTS = ("delivered", "refused", "bounced", "complained")  # the gravest last
RESULTS = ("sent", "uncertain", "queued")
SAVED = "saved"  # with the mark of the next mail, before all are settled
Order = tuple[str, ...]


def claimed(tx: Connection, orders: Sequence[Order]) -> Mapping[MessageId, Order]:
    """As many mails on their way, handed over."""
    record_customers(tx, [IncomingCustomer("ana", {"email": ANA})], now=MONDAY)
    row = {
        "customer_id": find_customer(tx, "ana"), "template": "hello", "topic": "offers",
        "status": "sending", "address": ANA, "queued_at": MONDAY, "due_at": MONDAY,
        "handed_over_at": MONDAY, "claimed_by": CLAIM, "claimed_until": MONDAY,
    }  # fmt: skip
    tx.execute(insert(messages), [{**row, "header_id": f"{n}@shop"} for n in range(len(orders))])
    ids = tx.scalars(select(messages.c.id).order_by(messages.c.id)).all()
    return dict(zip(map(MessageId, ids), orders, strict=True))


def write(tx: Connection, what: str, ids: Sequence[MessageId]) -> None:
    """One act on each of these mails."""
    if what == SAVED:
        save_sendings(tx, [Sending(id_, "sent", sent_at=MONDAY) for id_ in ids], CLAIM)
    elif what in RESULTS:
        batch = {one.id: one for one in load_messages(tx, ids)}
        sent_at = MONDAY if what == "sent" else None
        results = [Sending(id_, what, sent_at=sent_at) for id_ in ids]
        settle(tx, CLAIM, batch, results, MONDAY, Rules(Settings(), is_idempotent=False))
    elif what == "complained":
        items = [
            Returned(ANA, "complaint", False, "", f"it {id_}", f"{number}@shop")
            for id_ in ids
            for number in (int(id_) - 1,)
        ]
        act_on(tx, items, MONDAY, Settings())
    else:
        told = [Report(f"{what} {id_}", what, ANA, MONDAY, message_id=id_) for id_ in ids]
        record_reports(tx, told, MONDAY)


def play(store: Store, orders: Sequence[Order]) -> dict[Order, tuple[str, bool, bool]]:
    """For each order: the status in the end, whether it was sent, and whether it is due."""
    with store.begin() as tx:
        mails = claimed(tx, orders)
        for place in range(max(map(len, orders))):
            for what in (*REPORTS, *RESULTS, SAVED):
                ids = [id_ for id_, order in mails.items() if order[place : place + 1] == (what,)]
                if ids:
                    write(tx, what, ids)
        query = select(messages.c.id, messages.c.status, messages.c.sent_at, messages.c.due_at)
        return {
            mails[MessageId(row.id)]: (row.status, row.sent_at == MONDAY, row.due_at is not None)
            for row in tx.execute(query)
        }


def gravest(order: Order) -> str:
    """A mail that was delivered was not refused; else whatever is worst."""
    reported = [kind for kind in ("refused", "delivered", "bounced", "complained") if kind in order]
    return reported[-1] if reported else "sent"


def test_in_any_order_and_twice_the_gravest_stays(store: Store) -> None:
    acts = ("sent", *REPORTS)
    orders = [order + order for order in permutations(acts)]
    orders += [(*order, "sent") for order in permutations((SAVED, "delivered", "bounced"))]

    ends = play(store, orders)

    assert len(ends) == len(orders)
    assert {order: end for order, end in ends.items() if end != (gravest(order), True, False)} == {}


@pytest.mark.parametrize("result", RESULTS)
def test_a_report_counts_as_much_before_our_result_as_after_it(store: Store, result: str) -> None:
    some = [chosen for number in (1, 2) for chosen in combinations(REPORTS, number)]
    orders = [order for chosen in some for order in permutations((*chosen, result))]

    ends = play(store, orders)

    assert {order: end for order, end in ends.items() if end != (gravest(order), True, False)} == {}


def test_each_thing_is_told_once_whatever_came_first(store: Store) -> None:
    orders = list(permutations(("sent", "delivered", "bounced")))

    play(store, [order + order for order in orders])

    with store.read() as connection:
        told = Counter(connection.scalars(select(delivery_events.c.kind)))
    assert told == dict.fromkeys(("sent", "delivered", "bounced"), len(orders))
