"""A customers file: known from the beginning, and only its news counts."""

from datetime import UTC, datetime, timedelta
from typing import Any

from store.customers import find_customer, load_consents, load_customers
from store.intake import record_customers
from store.records import IncomingCustomer, Receipt
from store.session import Store
from tests.conftest import MONDAY
from tests.store.people import ext, identify, mail, owners, pending, take, ticket, traits_of

LONG_AGO = datetime(1997, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def file(store: Store, *rows: IncomingCustomer, now: datetime = MONDAY) -> Receipt:
    with store.begin() as tx:
        return record_customers(tx, rows, now=now)


def row(
    external_id: str, consents: dict[str, str] | None = None, **traits: Any
) -> IncomingCustomer:
    return IncomingCustomer(external_id, traits, consents or {})


def consent(store: Store, external_id: str, topic: str, at: datetime = MONDAY + DAY) -> str:
    with store.read() as connection:
        id_ = find_customer(connection, external_id)
        assert id_ is not None
        return load_consents(connection, [id_], at, known_by=at)[id_][topic]


def test_what_a_row_says_was_known_from_the_beginning(store: Store):
    file(store, row("ana", email="ana@example.com", plan="pro"))

    assert traits_of(store, "ana", LONG_AGO) == {"email": "ana@example.com", "plan": "pro"}


def test_an_unchanged_row_is_a_duplicate_and_a_changed_one_is_not(store: Store):
    first = file(store, row("ana", plan="pro"), row("bo"))

    again = file(store, row("ana", plan="pro"), row("bo"))
    changed = file(store, row("ana", plan="free"), row("bo"))

    assert (first.accepted, first.duplicates) == (2, 0)
    assert (again.accepted, again.duplicates) == (0, 2)
    assert (changed.accepted, changed.duplicates) == (1, 1)
    assert traits_of(store, "ana") == {"plan": "free"}


def test_the_later_of_two_rows_of_one_customer_stands(store: Store):
    receipt = file(store, row("ana", plan="pro"), row("ana", plan="free"), row("ana", plan="free"))

    assert (receipt.accepted, receipt.duplicates) == (2, 1)
    assert traits_of(store, "ana") == {"plan": "free"}


def test_what_customers_said_themselves_is_newer_than_any_file(store: Store):
    take(store, identify(ext("ana"), traits={"plan": "pro"}))

    file(store, row("ana", plan="free"), now=MONDAY + DAY)

    assert traits_of(store, "ana", MONDAY + DAY) == {"plan": "pro"}
    assert traits_of(store, "ana", LONG_AGO) == {"plan": "free"}


def test_a_yes_in_a_file_does_not_undo_a_no(store: Store):
    take(store, identify(ext("ana"), consents={"offers": "denied"}))

    file(store, row("ana", {"offers": "granted"}), now=MONDAY + DAY)

    assert consent(store, "ana", "offers") == "denied"


def test_a_new_no_in_a_file_ends_an_earlier_yes(store: Store):
    take(store, identify(ext("ana"), consents={"offers": "granted"}))

    file(store, row("ana", {"offers": "denied"}), now=MONDAY + DAY)

    assert consent(store, "ana", "offers", MONDAY) == "granted"
    assert consent(store, "ana", "offers") == "denied"


def test_the_same_old_file_does_not_undo_what_was_said_since(store: Store):
    file(store, row("ana", {"offers": "denied"}))
    take(store, identify(ext("ana"), consents={"offers": "granted"}))

    again = file(store, row("ana", {"offers": "denied"}), now=MONDAY + DAY)

    assert again.duplicates == 1
    assert consent(store, "ana", "offers") == "granted"


def test_a_file_frees_the_tickets_that_waited_for_its_customers(store: Store):
    take(store, ticket(mail("ana@example.com"), message_id="t"))

    file(store, row("ana", email="ana@example.com"))

    assert owners(store)["t"] == "ana"
    assert pending(store) == [(1, None), (1, 1)]


def test_traits_are_read_as_they_stood_at_an_instant(store: Store):
    take(store, identify(ext("ana"), traits={"plan": "pro", "age": 30}))
    take(store, identify(ext("ana"), traits={"plan": None}, occurred_at=MONDAY + DAY))

    with store.read() as connection:
        id_ = find_customer(connection, "ana")
        assert id_ is not None
        before = load_customers(connection, [id_], MONDAY, known_by=MONDAY)[id_]
        after = load_customers(connection, [id_], MONDAY + DAY)[id_]

    assert before.traits == {"plan": "pro", "age": 30}
    assert after.traits == {"age": 30}


def test_an_older_identify_that_comes_late_overwrites_nothing(store: Store):
    take(store, identify(ext("ana"), traits={"plan": "new"}))

    take(store, identify(ext("ana"), traits={"plan": "old"}, occurred_at=MONDAY - DAY))

    assert traits_of(store, "ana") == {"plan": "new"}
