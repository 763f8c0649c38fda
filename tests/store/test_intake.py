"""What comes in: once each, to whom it belongs, with word of every change."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event as sa_event
from sqlalchemy import select

from store.intake import OwnEvent, record_own_events
from store.records import NOBODY, CustomerId, Trust
from store.session import Store
from store.tables import customers, events
from tests.conftest import MONDAY
from tests.store.people import (
    SETTINGS,
    anon,
    desk,
    event,
    ext,
    identify,
    mail,
    names,
    owners,
    parked,
    pending,
    take,
    ticket,
    traits_of,
)

HOUR = timedelta(hours=1)


def test_the_first_of_a_message_id_wins_in_a_batch_and_in_the_workspace(store: Store):
    first = take(store, event(ext("ana"), message_id="m"), event(ext("bo"), message_id="m"))

    again = take(store, event(ext("cy"), message_id="m"))

    assert (first.accepted, first.duplicates) == (1, 1)
    assert (again.accepted, again.duplicates) == (0, 1)
    assert owners(store) == {"m": "ana"}


def test_a_user_id_always_makes_its_customer(store: Store):
    receipt = take(store, event(ext("ana"), message_id="m"))

    assert owners(store) == {"m": "ana"}
    assert len(receipt.customer_ids) == 1


def test_every_event_of_somebody_leaves_a_row_for_evaluation(store: Store):
    take(store, event(ext("ana")), event(anon("nobody's")), event(ext("ana")))

    assert [event_id for _, event_id in pending(store)] == [1, 3]


def test_an_event_without_a_channel_gets_the_default_of_its_name(store: Store):
    take(store, event(ext("ana"), name="ticket.opened"), event(ext("ana"), name="order.completed"))
    take(store, event(ext("ana"), name="order.completed", channel="app"), event(ext("ana")))

    with store.read() as connection:
        found = connection.execute(
            select(events.c.id, events.c.kind_id).order_by(events.c.id)
        ).all()
    assert len({kind for _, kind in found}) == 4
    assert SETTINGS.channel_for("ticket.opened") == "ticket"
    assert SETTINGS.channel_for("page.viewed") == "web"


def test_events_of_an_anonymous_visitor_join_once_they_say_who_they_are(store: Store):
    take(store, event(anon("x"), message_id="before"))
    waiting = parked(store)

    take(store, identify(ext("ana"), anon("x")), now=MONDAY + HOUR)

    assert waiting == 1
    assert owners(store)["before"] == "ana"
    assert parked(store) == 0


def test_they_join_within_one_batch_too(store: Store):
    take(store, event(anon("x"), message_id="before"), identify(ext("ana"), anon("x")))

    assert owners(store)["before"] == "ana"
    assert len(pending(store)) == 2


def test_a_joined_event_was_not_known_before_it_joined(store: Store):
    take(store, event(anon("x"), message_id="before"))

    take(store, identify(ext("ana"), anon("x")), now=MONDAY + HOUR)

    with store.read() as connection:
        known = select(events.c.known_at).where(events.c.message_id == "before")
        assert connection.scalar(known) == MONDAY + HOUR


def test_what_an_anonymous_visitor_said_of_themselves_joins_with_them(store: Store):
    take(store, identify(anon("x"), traits={"email": "ana@example.com", "plan": "pro"}))

    take(store, event(ext("ana"), anon("x")))

    assert traits_of(store, "ana") == {"email": "ana@example.com", "plan": "pro"}


def test_a_ticket_attaches_to_the_one_customer_with_its_address(store: Store):
    take(store, identify(ext("ana"), traits={"email": "Ana@Example.com "}))

    take(store, ticket(mail("ana@example.com"), message_id="t"))

    assert owners(store)["t"] == "ana"


def test_a_ticket_waits_while_nobody_or_several_have_its_address(store: Store):
    take(store, ticket(mail("shared@example.com"), message_id="t"))
    take(store, identify(ext("ana"), traits={"email": "a@example.com"}))
    take(
        store,
        identify(ext("bo"), traits={"email": "both@example.com"}),
        identify(ext("cy"), traits={"email": "both@example.com"}),
    )

    take(store, ticket(mail("both@example.com"), message_id="u"))

    assert owners(store)["t"] is None
    assert owners(store)["u"] is None
    assert parked(store) == 2


def test_a_helpdesk_finds_a_customer_by_the_shops_id_but_makes_none(store: Store):
    take(store, event(ext("ana")))

    take(store, ticket(ext("ana"), message_id="t"), ticket(ext("unknown"), message_id="u"))

    assert owners(store)["t"] == "ana"
    assert owners(store)["u"] is None


def test_a_ticket_that_waits_joins_when_its_customer_comes(store: Store):
    take(store, ticket(ext("ana"), desk("chatwoot:31"), message_id="t"))
    take(store, ticket(desk("chatwoot:31"), message_id="later"))

    take(store, event(ext("ana")))

    assert owners(store)["t"] == "ana"
    assert owners(store)["later"] == "ana"


def test_a_requester_known_by_address_once_is_known_by_number_from_then_on(store: Store):
    take(store, ticket(desk("chatwoot:31"), message_id="early"))
    take(store, identify(ext("ana"), traits={"email": "ana@example.com"}))

    take(store, ticket(mail("ana@example.com"), desk("chatwoot:31")))
    take(store, ticket(desk("chatwoot:31"), message_id="late"))

    assert owners(store)["early"] == "ana"
    assert owners(store)["late"] == "ana"


def test_an_address_in_a_ticket_never_merges_two_customers(store: Store):
    take(store, event(ext("ana")), identify(ext("bo"), traits={"email": "bo@example.com"}))

    take(store, ticket(ext("ana"), mail("bo@example.com"), message_id="t"))

    assert owners(store)["t"] == "ana"
    assert "customer.merged" not in names(store)


def test_history_is_known_since_it_occurred(store: Store):
    long_ago = datetime(1997, 1, 1, tzinfo=UTC)
    old: dict[str, Any] = {"trust": Trust.FILE, "is_known_since_occurred": True}
    take(store, event(ext("ana"), occurred_at=MONDAY, **old))

    take(store, event(ext("ana"), occurred_at=long_ago, **old))

    with store.read() as connection:
        assert connection.scalar(select(customers.c.known_at)) == long_ago
        assert set(connection.scalars(select(events.c.known_at))) == {long_ago, MONDAY}


def test_the_number_of_statements_does_not_grow_with_the_batch(store: Store):
    take(store, event(ext("warm-up")))
    seen: list[str] = []
    sa_event.listen(
        store.engine, "before_cursor_execute", lambda *call: seen.append(call[2]), named=False
    )

    take(store, *(identify(ext(f"c{n}"), anon(f"x{n}")) for n in range(10)))
    few = len(seen)
    take(store, *(identify(ext(f"d{n}"), anon(f"y{n}")) for n in range(500)))

    assert len(seen) - few <= few + 2


def test_our_own_facts_are_stored_once_and_answer_with_their_ids(store: Store):
    take(store, event(ext("ana")))
    sent = OwnEvent(CustomerId(1), "message.sent", MONDAY, "message:1:sent", {"template": "a"})
    notice = OwnEvent(NOBODY, "message.sent", MONDAY, "message:2:sent")

    with store.begin() as tx:
        first = record_own_events(tx, [sent, notice], MONDAY)
        again = record_own_events(tx, [notice, sent], MONDAY)

    assert first == again[::-1]
    assert len(set(first)) == 2
    assert pending(store) == [(1, 1), (1, first[0])]
