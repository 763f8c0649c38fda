"""`/v1/events` over HTTP: who is let in, what is answered, what is stored."""

from typing import Any

from store.keys import add_key
from tests.adapters.tracking.test_cloudevents import ORDER
from tests.web.conftest import Site

BATCHED = {"Content-Type": "application/cloudevents-batch+json"}
KEY = {"Authorization": "Basic d2tfc2hvcDo="}  # wk_shop, without a password


def post(site: Site, document: Any, headers: dict[str, str]) -> Any:
    with site.services.store.begin() as tx:
        add_key(tx, "wk_shop", site.clock.now())
    return site.client.post("/v1/events", json=document, headers=headers)


def test_the_same_event_twice_is_stored_once(site):
    answers = [post(site, [ORDER, ORDER], BATCHED | KEY) for _ in range(2)]

    assert [one.status_code for one in answers] == [200, 200]
    assert site.events("order.completed") == [("order.completed", {"total": 12.5})]


def test_what_was_not_taken_is_named_in_the_answer(site):
    answer = post(site, [ORDER, {**ORDER, "id": "A-2", "subject": ""}], BATCHED | KEY)

    assert answer.json()["rejected"][0]["id"] == "A-2"
    assert len(site.events("order.completed")) == 1


def test_an_address_in_place_of_a_subject_finds_its_customer_or_waits(site):
    nameless = {name: value for name, value in ORDER.items() if name != "subject"}
    site.customer("c1")

    found = post(site, [nameless | {"email": "c1@example.com"}], BATCHED | KEY)
    guest = post(site, [nameless | {"id": "2", "data": {"email": "g@example.com"}}], BATCHED | KEY)

    assert found.json() == {"success": True, "rejected": []}
    assert guest.json()["waiting"] == {"unknown_address": 1}


def test_nobody_is_let_in_without_a_write_key(small_site):
    assert post(small_site, [ORDER], BATCHED).status_code == 401


def test_a_lone_bad_event_is_a_400_with_its_reason(small_site):
    headers = {"Content-Type": "application/cloudevents+json"} | KEY

    answer = post(small_site, {**ORDER, "specversion": "2"}, headers)

    assert answer.status_code == 400
    assert "specversion" in answer.json()["message"]
