"""Conditions that reach into objects and lists, as shops write what was in an order."""

from typing import Any

import pytest
from pydantic import ValidationError

from segments.definition import parse_condition
from segments.paths import PropertyPath, parse_path
from tests.conftest import MONDAY
from tests.segments.history import History

CHEESE = {"sku": "C-1", "category": "cheese", "price": 12.5, "quantity": 2, "product_id": 7}
WINE = {"sku": "W-1", "category": "wine", "price": 120, "quantity": 1, "product_id": "8"}
BASKET: dict[str, Any] = {
    "products": [CHEESE, WINE],
    "tags": ["gift", "first", None],
    "shipping": {"address": {"post-code": "0123", "Bestell-Nr.": "A", "a.b": 1}},
    "rows": [[1, 2], [3], "4", []],
    "empty": [],
    "single": CHEESE,
}


def asks(history: History, where: dict[str, Any], properties: dict[str, Any] = BASKET) -> bool:
    history.customer(1)
    history.event(1, MONDAY, properties=properties)
    return bool(history.of({"event": "order.completed", "where": where}, 1, MONDAY)[0])


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        ({"products[].category": "cheese"}, True),
        ({"products[].category": "bread"}, False),
        ({"products[].category": {"is_not": "cheese"}}, True),  # any: the wine
        ({"products[].category": {"none": "cheese"}}, False),
        ({"products[].category": {"none": "bread"}}, True),
        ({"products[].category": {"all": {"in": ["cheese", "wine"]}}}, True),
        ({"products[].category": {"all": "cheese"}}, False),
        ({"products[].price": {"more_than": 100}}, True),
        ({"products[].price": {"sum": {"exactly": 132.5}}}, True),
        ({"products[].price": {"average": {"less_than": 60}}}, False),
        ({"products[]": {"count": 2}}, True),
        ({"products[].category": {"is": "wine", "count": {"at_least": 2}}}, False),
        ({"products[]": {"where": {"category": "cheese", "price": {"more_than": 100}}}}, False),
        ({"products[]": {"where": {"category": "wine", "price": {"more_than": 100}}}}, True),
        ({"products[]": {"none": {"where": {"category": "wine", "quantity": 1}}}}, False),
        ({"products.0.sku": "C-1", "products.1.sku": "W-1"}, True),
        ({"products.2.sku": {"exists": False}}, True),
        ({"products[].product_id": "7"}, True),  # an id is the same as a number and as a text
        ({"products[].product_id": 8}, True),
        ({"tags[]": "gift"}, True),
        ({"tags[]": {"count": 2}}, True),  # nothing is no element that counts
        ({"shipping.address.post-code": "0123"}, True),
        ({'shipping.address."a.b"': 1, "shipping.address.Bestell-Nr.": "A"}, True),
        ({"rows[][]": {"sum": 6}}, True),
        ({"rows[]": {"contains": 3}}, True),
        ({"empty[]": {"count": 0}}, True),
        ({"empty[].sku": {"none": "x"}, "empty[].price": {"sum": 0}}, True),
        ({"empty[].sku": {"all": "x"}}, False),
        ({"empty[].price": {"highest": {"at_most": 9}}}, False),
        ({"missing[]": {"count": {"at_most": 3}}}, True),
        ({"single[].category": "cheese"}, False),  # what is no list has no elements
        ({"tags[].name": {"exists": False}}, True),
    ],
)
def test_what_is_inside_of_lists_can_be_asked(
    history: History, where: dict[str, Any], *, fits: bool
):
    assert asks(history, where) is fits


def test_keys_that_are_called_like_operators_are_keys(history: History):
    options = {"options": [{"all": 1, "none": "x", "is": True, "count": 3}]}

    where = {"options[]": {"where": {"all": 1, "none": "x", "is": True, "count": {"at_least": 3}}}}

    assert asks(history, where, options)


@pytest.mark.parametrize(("figure", "number"), [("sum_of", 145), ("average_of", 145 / 3),
                                                ("lowest_of", 12.5), ("distinct", 2)])  # fmt: skip
def test_figures_are_over_the_elements_of_all_events(history: History, figure: str, number: float):
    history.customer(1)
    for products in ([CHEESE, WINE], [CHEESE], [], None):
        history.event(1, MONDAY, properties={"products": products})

    asked = {"event": "order.completed", figure: "products[].price", "between": [number, number]}

    assert history.of(asked, 1, MONDAY)[0]


def test_what_is_not_bought_at_all_adds_up_to_nothing(history: History):
    history.customer(1)
    history.event(1, MONDAY)

    asked = {"event": "order.completed", "sum_of": "products[].price", "at_most": 0}

    assert history.of(asked, 1, MONDAY)[0]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"where": {"items[0].sku": "a"}}, r"write the place in a list as 'items\.0\.sku'"),
        ({"where": {"items[].": "a"}}, "cannot be the name"),
        ({"where": {"[]": "a"}}, "cannot be the name"),
        ({"where": {r"a\b": "a"}}, "a backslash cannot be asked"),
        ({"where": {r'items[]."a\b"': "a"}}, "a backslash cannot be asked"),
        ({"where": {"products": {"count": 2}}}, r"of the elements of a list; write products\[\]"),
        ({"where": {"a[].b": {"before": "today"}}}, r"dates .* as in a\.0\.b"),
        ({"where": {"a[]": {"where": {"b": {"in_last": "3 days"}}}}}, "dates"),
        ({"where": {"a[]": {"exists": False}}}, "write count: 0"),
        ({"where": {"a[]": {"count": 1.5}}}, "a whole number from 0"),
        ({"where": {"a[].b": {"sum": {}}}}, "a comparison is needed"),
        ({"where": {"a[][][][]": 1}}, "reaches too deep"),
        ({"without_later": "x.y", "same": "a[].id"}, "one value is needed here"),
    ],
)
def test_what_cannot_be_asked_says_what_can(asked: dict[str, Any], said: str):
    with pytest.raises(ValidationError, match=said):
        parse_condition({"event": "order.completed", **asked})


def test_what_is_asked_of_elements_reads_as_a_sentence():
    where = {
        "products[].category": "cheese",
        "products[]": {"none": {"where": {"category": "wine"}}, "count": {"at_least": 2}},
    }

    told = parse_condition({"event": "order.completed", "where": where}).sentence

    assert told == (
        "order.completed (where none of products[] has category is “wine” and the number of"
        " products[] is at least 2 and any of products[].category is “cheese”) at least once"
    )


def test_a_path_finds_in_memory_what_it_finds_in_the_database():
    assert parse_path("products[].sku").find(BASKET) == ["C-1", "W-1"]
    assert parse_path("rows[][]").find(BASKET) == [1, 2, 3]
    assert parse_path("products.1.price").find(BASKET) == [120]
    assert parse_path('shipping.address."a.b"') == PropertyPath((("shipping", "address", "a.b"),))
