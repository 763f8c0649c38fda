"""Two customers become one: everything moves and nobody is mailed who said no."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Table, select

from store.customers import find_customer, load_consents
from store.merging import LEFT_BEHIND, MOVED, REBUILT
from store.records import CustomerId
from store.session import Store
from store.tables import (
    customers,
    enrollments,
    identities,
    memberships,
    messages,
    metadata,
    pending_changes,
    positions,
)
from tests.conftest import MONDAY
from tests.store.people import (
    alias,
    anon,
    event,
    ext,
    identify,
    mail,
    names,
    owners,
    parked,
    take,
    ticket,
    traits_of,
)

DAY = timedelta(days=1)
ANA = CustomerId(2)


def two_customers(store: Store) -> None:
    take(store, event(ext("ana")), event(ext("old")))


def insert(store: Store, table: Table, **values: Any) -> None:
    with store.begin() as tx:
        tx.execute(table.insert().values(**values))


def enroll(store: Store, id_: int, customer_id: int, **known: Any) -> None:
    defaults = {
        "id": id_, "customer_id": customer_id, "journey": "win_back", "version_id": 1, "key": "",
        "occurrence": f"o{id_}", "cause": "time", "is_held_out": False, "started_at": MONDAY,
    }  # fmt: skip
    insert(store, enrollments, **{**defaults, **known})
    insert(store, positions, enrollment_id=id_, step_id=1, visit=1, arrived_at=MONDAY)
    insert(
        store, messages, customer_id=customer_id, enrollment_id=id_, step="s", template="t",
        topic="offers", status="queued", queued_at=MONDAY, due_at=MONDAY, header_id=f"<{id_}@x>",
    )  # fmt: skip


def rows(store: Store, table: Table) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(table).order_by(*table.primary_key)))


def test_everything_of_the_merged_customer_moves(store: Store):
    take(store, identify(ext("old"), anon("x"), traits={"plan": "pro"}, message_id="m"))
    take(store, event(ext("ana")))

    take(store, alias("old", "ana"), now=MONDAY + DAY)

    assert owners(store)["m"] == "ana"
    assert traits_of(store, "ana", MONDAY + DAY) == {"plan": "pro"}
    assert {row.customer_id for row in rows(store, identities)} == {2}
    assert {row.external_id: row.merged_into for row in rows(store, customers)} == {
        "old": 2,
        "ana": None,
    }


def test_every_table_of_customers_takes_part():
    kept = {enrollments, identities}  # moved with care, row by row

    of_customers = {table for table in metadata.tables.values() if "customer_id" in table.c}

    assert of_customers == {*MOVED, *LEFT_BEHIND, *REBUILT, *kept}


def test_a_merge_is_kept_as_an_event_and_evaluated(store: Store):
    two_customers(store)

    take(store, alias("old", "ana"))

    assert "customer.merged" in names(store)
    assert {row.customer_id for row in rows(store, pending_changes)} == {1}


def test_merged_ids_lead_to_the_survivor_however_long_the_chain(store: Store):
    take(store, *(event(ext(name)) for name in ("a", "b", "c")))

    take(store, alias("a", "b"))
    take(store, alias("b", "c"))

    with store.read() as connection:
        assert find_customer(connection, "a") == find_customer(connection, "c") == 3


def test_a_chain_of_aliases_in_one_batch_ends_at_its_last(store: Store):
    take(store, *(event(ext(name), message_id=name) for name in ("a", "b", "c")))

    take(store, alias("a", "b"), alias("b", "c"), alias("c", "a"))

    assert {owners(store)[name] for name in ("a", "b", "c")} == {"c"}


def test_the_strictest_consent_wins(store: Store):
    take(store, identify(ext("old"), consents={"offers": "denied", "news": "granted"}))
    take(store, identify(ext("ana"), consents={"offers": "granted"}), now=MONDAY + DAY)

    take(store, alias("old", "ana"), now=MONDAY + DAY)

    with store.read() as connection:
        assert load_consents(connection, [ANA], MONDAY + DAY)[ANA] == {
            "offers": "denied",
            "news": "granted",
        }


def test_of_two_enrollments_the_older_lives_on_and_the_newers_mail_is_cancelled(store: Store):
    two_customers(store)
    enroll(store, 1, customer_id=1, started_at=MONDAY)
    enroll(store, 2, customer_id=2, started_at=MONDAY - DAY)

    take(store, alias("old", "ana"))

    assert [(row.customer_id, row.ended) for row in rows(store, enrollments)] == [
        (1, "merged"),
        (1, None),
    ]
    assert [row.enrollment_id for row in rows(store, positions)] == [2]
    assert [(row.status, row.due_at is None) for row in rows(store, messages)] == [
        ("cancelled", True),
        ("queued", False),
    ]
    assert "enrollment.ended" in names(store)


def test_enrollments_of_other_keys_all_live_on(store: Store):
    two_customers(store)
    enroll(store, 1, customer_id=1, key="ticket 1")
    enroll(store, 2, customer_id=2, key="ticket 2")

    take(store, alias("old", "ana"))

    assert [(row.customer_id, row.ended) for row in rows(store, enrollments)] == [
        (1, None),
        (1, None),
    ]


def test_enrollments_that_the_same_occurrence_started_can_be_one_customers(store: Store):
    two_customers(store)
    enroll(store, 1, customer_id=1, occurrence="first", ended_at=MONDAY, ended="goal")
    enroll(store, 2, customer_id=2, occurrence="first")

    take(store, alias("old", "ana"))

    assert {row.customer_id for row in rows(store, enrollments)} == {1}


def test_the_survivor_keeps_their_memberships_until_they_are_looked_at_again(store: Store):
    two_customers(store)
    for id_ in (1, 2):
        insert(
            store, memberships, segment="regulars", customer_id=id_, is_member=True, since=MONDAY
        )

    take(store, alias("old", "ana"))

    assert [row.customer_id for row in rows(store, memberships)] == [1]


def test_a_ticket_of_an_address_both_had_joins_once_they_are_one(store: Store):
    take(store, identify(ext("old"), traits={"email": "ana@example.com"}))
    take(store, identify(ext("ana"), traits={"email": "ana@example.com"}))
    take(store, ticket(mail("ana@example.com"), message_id="t"))
    waiting = parked(store)

    take(store, alias("old", "ana"))

    assert waiting == 1
    assert owners(store)["t"] == "ana"
