"""Everything stored can be read back, on every database."""

from datetime import timedelta
from typing import Any

import pytest

from store.exports import export_rows
from store.nouns import NOUNS
from store.records import Reject
from store.rejects import count_reasons, note_rejects
from store.session import Store
from tests.conftest import MONDAY
from tests.store.people import alias, anon, event, ext, identify, take
from tests.store.test_merging import enroll


def exported(store: Store, noun: str) -> list[dict[str, Any]]:
    with store.read() as connection:
        return list(export_rows(connection, noun, MONDAY + timedelta(days=1)))


@pytest.mark.parametrize("noun", NOUNS)
def test_an_empty_store_exports_nothing(store: Store, noun: str):
    assert exported(store, noun) == []


def test_events_come_in_the_order_of_arrival_parked_ones_too(store: Store):
    take(store, event(ext("ana")), event(anon("x")), event(ext("bo")))

    assert [row["customer"] for row in exported(store, "events")] == ["ana", None, "bo"]


def test_a_merged_customer_is_not_exported_but_in_whom_they_are(store: Store):
    take(store, identify(ext("old"), traits={"plan": "pro"}), event(ext("ana")))

    take(store, alias("old", "ana"))

    assert exported(store, "customers") == [{"id": "ana", "traits": {"plan": "pro"}}]


def test_more_customers_than_are_read_at_once_are_exported_once_each(store: Store):
    take(store, *(event(ext(f"c{n}")) for n in range(1_001)))

    ids = [row["id"] for row in exported(store, "customers")]

    assert len(ids) == len(set(ids)) == 1_001


def test_a_message_names_whom_it_was_for_and_where_it_stands(store: Store):
    take(store, event(ext("ana")))
    enroll(store, 1, customer_id=1)

    (row,) = exported(store, "messages")

    wanted = {
        "customer": "ana", "journey": "win_back", "template": "t", "status": "queued",
        "reason": "", "at": MONDAY, "to": "", "id": 1,
    }  # fmt: skip
    assert wanted.items() <= row.items()


def test_what_was_not_taken_is_exported_with_its_reason_and_source(store: Store):
    with store.begin() as tx:
        note_rejects(tx, "/v1 key 1", [Reject("no event name", {"messageId": "m1"})], MONDAY)

    assert exported(store, "rejects") == [
        {
            "source": "/v1 key 1",
            "reason": "no event name",
            "received_at": MONDAY,
            "item": {"messageId": "m1"},
        }
    ]


def test_reasons_for_a_log_are_counted_without_what_they_quote():
    items = [Reject("'Ana Ruiz' is no name for an event"), Reject("'Bo' is no name for an event")]

    assert count_reasons(items) == {"… is no name for an event": 2}
