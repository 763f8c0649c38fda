"""Which column is which field."""

import pytest

from adapters.files.layout import check_columns, guess_kind, parse_layout
from rekindle.errors import WrongUse


def test_columns_are_fields_by_their_names_and_the_rest_are_properties():
    layout = parse_layout([], "events")

    fields, rest = layout.split({"customer_id": "1", "event": "e", "total": "9"})

    assert (fields, rest) == ({"customer_id": "1", "event": "e"}, {"total": "9"})


def test_a_map_names_the_column_of_a_field_or_what_it_always_is():
    layout = parse_layout(["occurred_at=ts", "event=const:order.completed"], "events")

    fields, rest = layout.split({"customer_id": "1", "ts": "1997-01-01"})

    assert fields == {
        "customer_id": "1",
        "occurred_at": "1997-01-01",
        "event": "order.completed",
    }
    assert rest == {}


def test_a_column_whose_field_is_said_to_be_elsewhere_is_a_property():
    layout = parse_layout(["channel=const:store"], "events")

    fields, rest = layout.split({"channel": "purchase"})

    assert (fields, rest) == ({"channel": "store"}, {"channel": "purchase"})


def test_a_map_may_rename_a_property():
    layout = parse_layout(["total=amount", "currency=const:EUR"], "events")

    assert layout.split({"amount": "9"}) == ({}, {"total": "9", "currency": "EUR"})


@pytest.mark.parametrize("written", ["event", "=ts", "event=", ""])
def test_a_map_that_maps_nothing_is_refused(written: str):
    with pytest.raises(WrongUse, match="FIELD=COLUMN"):
        parse_layout([written], "events")


def test_wrong_columns_are_named_together_with_those_that_were_found():
    with pytest.raises(WrongUse) as told:
        check_columns(parse_layout([], "events"), ("customer_id", "ts", ""), "orders.csv")

    assert str(told.value).startswith("orders.csv has no column for event, occurred_at")
    assert "Its columns: customer_id, ts." in str(told.value)


def test_a_map_to_a_column_that_is_not_there_is_refused():
    with pytest.raises(WrongUse, match="no column when"):
        check_columns(parse_layout(["occurred_at=when"], "events"), ("ts",), "orders.csv")


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (("customer_id", "email", "plan"), "customers"),
        (("customer_id", "consent.offers"), "customers"),
        (("customer_id", "event", "occurred_at", "email"), "events"),
        (("customer_id", "ts", "amount"), "events"),
        (("email",), "events"),
        (None, "events"),
    ],
)
def test_only_a_header_that_can_mean_nothing_else_is_one_of_customers(
    columns: tuple[str, ...] | None, kind: str
):
    assert guess_kind(columns, []) == kind
