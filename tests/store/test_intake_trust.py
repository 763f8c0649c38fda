"""How far each source may be believed about identity, addresses and consent."""

from typing import Any

import pytest
from sqlalchemy import select

from store.customers import find_customer, load_consents
from store.records import Trust
from store.session import Store
from store.tables import identities
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
    take,
    ticket,
    traits_of,
)

BROWSER: dict[str, Any] = {"trust": Trust.BROWSER}


def consents_of(store: Store, external_id: str) -> dict[str, str]:
    with store.read() as connection:
        id_ = find_customer(connection, external_id)
        assert id_ is not None
        return dict(load_consents(connection, [id_], MONDAY).get(id_, {}))


def test_a_browser_may_give_the_first_address_but_not_change_it(store: Store):
    take(store, identify(ext("ana"), traits={"email": "ana@example.com"}, **BROWSER))

    take(store, identify(ext("ana"), traits={"email": "thief@example.com", "plan": "a"}, **BROWSER))

    assert traits_of(store, "ana") == {"email": "ana@example.com", "plan": "a"}
    with store.read() as connection:
        assert list(connection.scalars(select(identities.c.value))) == ["ana@example.com"]


@pytest.mark.parametrize("nonsense", ["nope", "ana@exa mple.com", 7, ["x"]])
def test_what_is_no_address_does_not_keep_the_first_address_out(store: Store, nonsense: Any):
    take(store, identify(ext("ana"), traits={"email": nonsense}, **BROWSER))

    take(store, identify(ext("ana"), traits={"email": "ana@example.com"}, **BROWSER))
    take(store, identify(ext("ana"), traits={"email": "thief@example.com"}, **BROWSER))

    assert traits_of(store, "ana")["email"] == "ana@example.com"


def test_a_browser_may_not_take_an_address_away(store: Store):
    take(store, identify(ext("ana"), traits={"email": "ana@example.com"}))

    take(store, identify(ext("ana"), traits={"email": None}, **BROWSER))

    assert traits_of(store, "ana") == {"email": "ana@example.com"}


def test_a_server_may_change_an_address_and_tickets_find_the_customer_by_both(store: Store):
    take(store, identify(ext("ana"), traits={"email": "old@example.com"}))

    take(store, identify(ext("ana"), traits={"email": "new@example.com"}))
    take(store, ticket(mail("old@example.com"), message_id="t"))

    assert traits_of(store, "ana")["email"] == "new@example.com"
    assert owners(store)["t"] == "ana"


def test_a_browser_may_say_no_but_not_yes(store: Store):
    wanted = {"offers": "granted", "news": "denied"}

    take(store, identify(ext("ana"), consents=wanted, **BROWSER))
    take(store, identify(ext("bo"), consents=wanted))

    assert consents_of(store, "ana") == {"news": "denied"}
    assert consents_of(store, "bo") == wanted


def test_an_anonymous_id_of_somebody_else_is_left_alone_by_a_browser(store: Store):
    take(store, event(ext("ana"), anon("shared")))

    take(store, identify(ext("bo"), anon("shared"), **BROWSER))
    take(store, event(anon("shared"), message_id="m"))

    assert owners(store)["m"] == "ana"
    assert "customer.merged" not in names(store)


def test_an_identify_of_a_server_that_carries_both_ids_merges(store: Store):
    take(store, event(ext("temporary"), anon("x"), message_id="m"))

    take(store, identify(ext("ana"), anon("x")))

    assert owners(store)["m"] == "ana"


def test_a_track_of_a_server_that_carries_both_ids_merges_nobody(store: Store):
    take(store, event(ext("bo"), anon("x"), message_id="m"))

    take(store, event(ext("ana"), anon("x")))

    assert owners(store)["m"] == "bo"


def test_an_alias_of_a_browser_links_what_is_nobodys_and_merges_nobody(store: Store):
    take(store, event(anon("x"), message_id="m"), event(ext("bo"), message_id="b"))

    take(store, alias("x", "ana", **BROWSER), alias("bo", "ana", **BROWSER))

    assert owners(store)["m"] == "ana"
    assert owners(store)["b"] == "bo"


def test_an_alias_of_a_server_makes_one_customer_of_two(store: Store):
    take(store, event(ext("old"), message_id="m"), event(ext("ana")))

    take(store, alias("old", "ana"))
    take(store, event(ext("old"), message_id="later"))

    assert owners(store) == owners(store) | {"m": "ana", "later": "ana"}
