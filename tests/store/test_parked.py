"""Events without a customer: why they wait, who has an address, and settling them in bulk."""

from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy import select

from rekindle import parked as acts
from rekindle.clock import FixedClock
from rekindle.services import Services
from store.intake import attach_parked, record_customers
from store.parked import (
    Which,
    count_parked,
    drop_parked,
    find_outdated,
    find_parked,
    list_groups,
    summarize_parked,
)
from store.parking import A_CHUNK
from store.records import EventId, Identity, IncomingCustomer, Trust
from store.session import Store
from store.tables import customers, events, pending_changes
from store.waits import Waits
from templates.links import Signer
from tests.conftest import MONDAY
from tests.store.people import (
    anon,
    desk,
    event,
    ext,
    identify,
    mail,
    owners,
    parked,
    pending,
    take,
    ticket,
)

HOUR = timedelta(hours=1)
ANA = "ana@example.com"
EVERYTHING = Which(reasons=tuple(Waits))


def customer(store: Store, external_id: str, address: str | None = None) -> None:
    told = {"email": address} if address else {}
    with store.begin() as tx:
        record_customers(tx, [IncomingCustomer(external_id, told)], now=MONDAY)


def reasons(store: Store) -> dict[Waits, int]:
    with store.read() as connection:
        found = summarize_parked(connection, MONDAY, EVERYTHING)
    return {one.reason: one.events for one in found}


@pytest.fixture
def services(store: Store, tmp_path: Path) -> Services:
    return Services(store, FixedClock(MONDAY), lambda: Signer("for tests"), tmp_path, {})


KINDS = {
    "shared": mail("shared@example.com"),
    "unknown": mail("guest@example.com"),
    "id": desk("zendesk:9"),
    "visitor": anon("v"),
    "nothing": Identity("email", ""),
}


def test_the_reason_said_on_arrival_is_the_one_that_is_counted_for_every_mix(store: Store):
    customer(store, "a", "shared@example.com")
    customer(store, "b", "shared@example.com")
    for first, second in product(KINDS.values(), repeat=2):
        seen = {first, second}
        if seen == {KINDS["visitor"], KINDS["nothing"]}:
            continue  # no door makes both
        receipt = take(store, item := event(*seen, trust=Trust.HELPDESK))

        with store.read() as connection:
            found, _ = find_parked(connection, Which(), EventId(0), 10)
            told = summarize_parked(connection, MONDAY, EVERYTHING)
        assert [one.reason for one in told] == [receipt.waiting[item.message_id]]
        with store.begin() as tx:
            assert drop_parked(tx, list(found)) == 1


def test_who_has_an_address_now_comes_before_who_had_it(store: Store):
    take(store, identify(ext("3"), traits={"email": ANA}))
    take(store, identify(ext("3"), traits={"email": "new@example.com"}, occurred_at=MONDAY))
    take(store, identify(ext("4"), traits={"email": ANA}))

    take(store, ticket(mail(ANA), message_id="t"))
    take(store, event(mail(ANA), message_id="order"))

    assert owners(store)["t"] == owners(store)["order"] == "4"


def test_who_alone_had_an_address_still_has_what_comes_by_it(store: Store):
    take(store, identify(ext("3"), traits={"email": ANA}))
    take(store, identify(ext("3"), traits={"email": "new@example.com"}))

    take(store, ticket(mail(ANA), message_id="t"))

    assert owners(store)["t"] == "3"


def test_what_waits_for_a_shared_address_joins_once_one_of_them_leaves_it(store: Store):
    for external_id in ("3", "4"):
        take(store, identify(ext(external_id), traits={"email": ANA}))
    take(store, ticket(mail(ANA), message_id="t"))
    assert reasons(store) == {Waits.SHARED_ADDRESS: 1}

    take(store, identify(ext("3"), traits={"email": "new@example.com"}))

    assert owners(store)["t"] == "4"


def test_an_id_that_is_somebodys_address_makes_no_second_customer(store: Store):
    customer(store, "42", ANA)

    take(store, event(ext(ANA), message_id="t"), event(ext("ANA@Example.com"), message_id="u"))

    assert owners(store) == {"t": "42", "u": "42"}
    with store.read() as connection:
        assert list(connection.scalars(select(customers.c.external_id))) == ["42"]


def test_an_id_that_is_an_address_is_an_id_where_an_identify_says_so(store: Store):
    customer(store, "42", ANA)

    take(store, event(ext(ANA), message_id="t"), identify(ext(ANA), message_id="i"))
    take(store, event(ext(ANA), message_id="later"), event(ext("bo@example.com"), message_id="bo"))

    found = owners(store)
    assert {found["t"], found["i"], found["later"]} == {ANA}
    assert found["bo"] == "bo@example.com"


def test_attached_events_are_known_from_then_on_and_looked_at(store: Store):
    customer(store, "42")
    take(store, event(mail(ANA), message_id="t", is_known_since_occurred=True))
    later = MONDAY + HOUR

    with store.begin() as tx:
        found, _ = find_parked(tx, Which(identity=ANA), EventId(0), 10)
        [id_] = tx.scalars(select(customers.c.id))
        assert attach_parked(tx, found, id_, later) == 1
        assert attach_parked(tx, found, id_, later) == 0

    with store.read() as connection:
        row = connection.execute(select(events).where(events.c.message_id == "t")).one()
    assert (row.customer_id, row.known_at) == (id_, later)
    assert (id_, row.id) in pending(store)
    assert parked(store) == 0


def test_what_is_attached_leads_later_events_to_the_customer(store: Store):
    customer(store, "42")
    take(store, ticket(desk("z:1"), mail(ANA)))
    take(store, event(mail(ANA), message_id="other"))

    with store.begin() as tx:
        found, _ = find_parked(tx, Which(names=["ticket.opened"]), EventId(0), 10)
        [id_] = tx.scalars(select(customers.c.id))
        assert attach_parked(tx, found, id_, MONDAY) == 2
    take(store, ticket(desk("z:1"), message_id="next"))

    assert owners(store)["other"] == owners(store)["next"] == "42"


def test_a_shared_address_leads_to_nobody_though_one_of_its_events_is_attached(store: Store):
    customer(store, "a", ANA)
    customer(store, "b", ANA)
    take(store, event(mail(ANA), message_id="t", name="order.completed"), event(mail(ANA)))

    with store.begin() as tx:
        found, _ = find_parked(tx, Which(names=["order.completed"]), EventId(0), 10)
        id_ = min(tx.scalars(select(customers.c.id)))
        attach_parked(tx, found, id_, MONDAY)

    assert owners(store)["t"] == "a"
    assert reasons(store) == {Waits.SHARED_ADDRESS: 1}


def test_more_events_than_a_statement_takes_values_join_at_once(store: Store):
    many = A_CHUNK + 7
    take_many = [event(anon("v")) for _ in range(many)]
    for start in range(0, many, 2_000):
        take(store, *take_many[start : start + 2_000])

    receipt = take(store, identify(ext("ana"), anon("v")))

    assert len(receipt.customer_ids) == 1
    assert parked(store) == 0


def test_customers_are_made_in_batches_with_few_statements(
    services: Services, monkeypatch: pytest.MonkeyPatch
):
    store = services.store
    monkeypatch.setattr(acts, "A_BATCH", 50)
    customer(store, "taken@example.com", "else@example.com")
    take(store, *(event(mail(f"g{n % 120}@example.com")) for n in range(200)))
    take(store, ticket(ext("desk-id")), event(anon("v")), ticket(mail("taken@example.com")))
    statements: list[str] = []
    sa_event.listen(store.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))

    made, left = acts.make(services, Which())

    assert (made, left) == (121, 2)
    assert reasons(store) == {Waits.ANONYMOUS: 1, Waits.UNKNOWN_ADDRESS: 1}
    assert len(statements) < 200
    assert acts.make(services, Which()) == (0, 2)
    with store.read() as connection:
        early = connection.scalars(select(events.c.known_at).where(events.c.customer_id != 0))
        assert set(early) == {MONDAY}
        assert len(connection.execute(select(pending_changes)).all()) >= 200


def test_filters_choose_what_is_listed_and_dropped(services: Services):
    store = services.store
    take(
        store,
        event(mail(ANA), name="order.completed", source="import"),
        event(mail(ANA), name="page.viewed", occurred_at=MONDAY - HOUR),
        event(mail("bo@example.com"), name="page.viewed"),
        event(anon("v")),
    )

    with store.read() as connection:
        groups = list_groups(connection, Which(reasons=[Waits.UNKNOWN_ADDRESS]), 10)
        lately = summarize_parked(connection, MONDAY + HOUR, Which(names=["page.viewed"]))
    assert [(one.identity.value, one.events, one.names) for one in groups] == [
        (ANA, 2, 2),
        ("bo@example.com", 1, 1),
    ]
    assert [(one.reason, one.events, one.lately) for one in lately] == [
        (Waits.UNKNOWN_ADDRESS, 2, 0),
        (Waits.ANONYMOUS, 1, 0),
    ]
    assert acts.drop(services, Which(source="import")) == 1
    assert acts.drop(services, Which(until=MONDAY)) == 1
    assert acts.drop(services, Which(reasons=[Waits.ANONYMOUS])) == 1
    assert acts.drop(services, Which()) == 1
    assert acts.drop(services, Which()) == 0
    with store.read() as connection:
        assert count_parked(connection) == 0


def test_strangers_events_are_outdated_by_when_they_came(store: Store):
    take(store, event(anon("old"), message_id="old"), now=MONDAY)
    take(store, event(anon("new"), message_id="new"), now=MONDAY + HOUR)

    with store.begin() as tx:
        outdated = find_outdated(tx, MONDAY + HOUR, 10)
        assert drop_parked(tx, outdated) == 1

    assert owners(store) == {"new": None}
