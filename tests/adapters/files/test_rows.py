"""Rows of files as events, customers and suppressions."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.documents import Mended
from adapters.files.base import Line, Table
from adapters.files.layout import parse_layout
from adapters.files.rows import Rows, types_of
from adapters.files.types import Typing
from rekindle.errors import Malformed
from store.records import Actor, Identity, IncomingCustomer, IncomingEvent, Trust

RIYADH = ZoneInfo("Asia/Riyadh")
ORDER = {"customer_id": "1", "event": "Order Completed", "occurred_at": "2026-03-02T08:00:00Z"}


def rows(row: dict[str, Any], *maps: str, kind: str = "events", is_text: bool = True) -> Rows:
    """What reads a file whose only row is `row`."""
    received_at = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    table = Table(lambda: iter([Line(1, row)]), tuple(row), is_text=is_text)
    layout = parse_layout(maps, kind)
    types = types_of(table, layout, Typing(RIYADH, declared=layout.declared))
    return Rows(layout, types, "erp", received_at)


def parse_event(row: dict[str, Any], *maps: str, is_text: bool = True) -> IncomingEvent:
    return rows(row, *maps, is_text=is_text).parse_event(row)


def parse_customer(row: dict[str, Any], *maps: str) -> IncomingCustomer:
    return rows(row, *maps, kind="customers").parse_customer(row)


def test_a_row_is_an_event_of_the_past():
    event = parse_event({**ORDER, "total": "12.50", "sku": "007"})

    assert (event.name, event.original_name) == ("order.completed", "Order Completed")
    assert event.identities == (Identity("external", "1"),)
    assert event.properties == {"total": 12.5, "sku": "007"}
    assert (event.source, event.trust, event.channel) == ("erp", Trust.FILE, None)
    assert event.is_known_since_occurred


def test_what_an_agent_did_to_a_ticket_is_not_the_customers_act():
    ticket = {**ORDER, "event": "Ticket Replied", "channel": "ticket"}

    agents = parse_event({**ticket, "by": "agent"})

    assert (agents.actor, agents.properties) == (Actor.AGENT, {"by": "agent"})
    assert parse_event({**ticket, "by": "customer"}).actor is Actor.CUSTOMER
    assert parse_event({**ORDER, "by": "agent"}).actor is Actor.CUSTOMER


def test_ids_and_names_stay_as_they_are_written():
    event = parse_event({**ORDER, "customer_id": "1.0", "message_id": "12.50"})

    assert event.identities[0].value == "1.0"
    assert event.message_id == "12.50"


def test_a_file_of_json_says_itself_what_is_a_number():
    event = parse_event({**ORDER, "a": "12.5", "b": 3}, is_text=False)

    assert event.properties == {"a": "12.5", "b": 3}


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-03-02", datetime(2026, 3, 1, 21, tzinfo=UTC)),
        ("2026-03-02 08:00:00", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("2026-03-02T08:00:00+03:00", datetime(2026, 3, 2, 5, tzinfo=UTC)),
        ("1772438400", datetime(2026, 3, 2, 8, tzinfo=UTC)),
    ],
)
def test_a_day_begins_in_the_brands_zone_and_a_bare_time_is_utc(written: str, instant: datetime):
    assert parse_event({**ORDER, "occurred_at": written}).occurred_at == instant


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        (1772438400, datetime(2026, 3, 2, 8, tzinfo=UTC)),
        (1772438400000, datetime(2026, 3, 2, 8, tzinfo=UTC)),
        (1772438400000000, datetime(2026, 3, 2, 8, tzinfo=UTC)),
        (1772438400.5, datetime(2026, 3, 2, 8, 0, 0, 500_000, tzinfo=UTC)),
        (20260302080000, datetime(2026, 3, 2, 5, tzinfo=UTC)),
        (46022, datetime(1970, 1, 1, 12, 47, 2, tzinfo=UTC)),
    ],
)
def test_a_number_of_json_is_an_instant_in_whatever_unit(written: float, instant: datetime):
    event = parse_event({**ORDER, "occurred_at": written}, is_text=False)

    assert event.occurred_at == instant


def test_equal_rows_are_events_of_their_own_and_the_same_ones_in_another_file():
    read, other = rows(ORDER), rows(ORDER)

    first, second = read.parse_event(ORDER), read.parse_event(ORDER)
    again = other.parse_event(ORDER)

    assert first.message_id != second.message_id
    assert first.message_id == again.message_id


def test_an_address_identifies_and_is_a_trait():
    event = parse_event({**ORDER, "email": "Ana@example.com"})

    assert event.identities[1] == Identity("email", "ana@example.com")
    assert event.traits == {"email": "Ana@example.com"}


def test_a_segment_message_is_read_as_one():
    message = {"type": "track", "userId": "1", "event": "A B", "timestamp": "2026-03-02T08:00:00Z"}

    event = parse_event(message)

    assert (event.name, event.trust, event.is_known_since_occurred) == ("a.b", Trust.FILE, True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"customer_id": ""}, "neither customer_id nor email"),
        ({"event": "?"}, "no event"),
        ({"occurred_at": "soon"}, "occurred_at cannot be read"),
        ({"occurred_at": "2026-02-30"}, "occurred_at cannot be read"),
    ],
)
def test_a_row_that_is_no_event_says_why(change: dict[str, str], reason: str):
    with pytest.raises(Malformed, match=reason):
        parse_event({**ORDER, **change})


def test_a_row_is_a_customer_with_traits_and_consents():
    customer = parse_customer(
        {
            "customer_id": "1",
            "email": "a@b.c",
            "phone": "33612345678",
            "ltv": "9.5",
            "consent.offers": "granted",
        }
    )

    assert customer.external_id == "1"
    assert customer.traits == {"email": "a@b.c", "phone": "33612345678", "ltv": 9.5}
    assert customer.consents == {"offers": "granted"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"email": "a@b.c"}, "customer_id"),
        ({"customer_id": "1", "consent.a": "perhaps"}, "granted"),
    ],
)
def test_a_row_that_is_no_customer_says_why(row: dict[str, str], reason: str):
    with pytest.raises(Malformed, match=reason):
        parse_customer(row)


def test_a_row_is_an_address_that_must_not_be_mailed():
    read = rows({}, kind="suppressions")

    assert read.parse_suppression({"email": "a@b.c", "reason": "asked us"}) == ("a@b.c", "asked us")
    with pytest.raises(Malformed, match="no email address"):
        read.parse_suppression({"email": "nobody"})


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("events", {**ORDER, "customer_id": Mended("1")}),
        ("events", {**ORDER, "event": Mended("Order Completed")}),
        ("events", {**ORDER, "message_id": Mended("m")}),
        ("events", {**ORDER, "email": Mended("ana@example.com")}),
        ("customers", {"customer_id": Mended("1")}),
        ("customers", {"customer_id": "1", "email": Mended("ana@example.com")}),
        ("suppressions", {"email": Mended("ana@example.com")}),
    ],
)
def test_an_id_a_name_or_an_address_that_lost_a_character_is_refused(
    kind: str, row: dict[str, str]
):
    read = rows(row, kind=kind)
    parse = {"customers": read.parse_customer, "suppressions": read.parse_suppression}

    with pytest.raises(Malformed, match="cannot be stored"):
        parse.get(kind, read.parse_event)(row)
