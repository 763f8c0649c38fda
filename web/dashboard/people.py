"""Segments and customers: who is where, and everything that happened to one of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rekindle.drifting import load_figures
from segments.drift.sentence import describe
from store.customers import find_customer, load_consents, load_customers
from store.events import load_timeline
from store.figures import count_customers, count_members, list_members, search_customers
from store.portraits import load_mails, load_memberships, load_said, load_trips
from store.records import StoredEvent
from web.dashboard.showing import show, show_missing
from web.requests import services_of

MEMBERS_SHOWN = 100
CUSTOMERS_SHOWN = 100
EVENTS_SHOWN = 100


def show_segment(request: Request) -> Response:
    name = request.path_params["name"]
    services = services_of(request)
    segment = services.library().segments.get(name)
    if segment is None:
        return show_missing(request, f"No segment is called '{name}'.")
    now = services.clock.now()
    with services.store.read() as connection:
        values = {
            "segment": segment,
            "size": count_members(connection).get(name, 0),
            "customers": count_customers(connection),
            "members": list_members(connection, name, now, limit_rows=MEMBERS_SHOWN),
        }
    return show(request, "segment", values)


def show_customers(request: Request) -> Response:
    """A search by the beginning of an id, address, phone or handle; `state` narrows it by drift."""
    services = services_of(request)
    query = request.query_params.get("query", "").strip()[:200]
    state = request.query_params.get("state", "")
    now = services.clock.now()
    with services.store.read() as connection:
        found = search_customers(
            connection, query, now, state=state, limit_rows=CUSTOMERS_SHOWN + 1
        )
        emails = _emails(load_customers(connection, [one.id for one in found], now))
    values = {
        "query": query,
        "state": state,
        "found": found[:CUSTOMERS_SHOWN],
        "has_more": len(found) > CUSTOMERS_SHOWN,
        "emails": emails,
    }
    return show(request, "customers", values)


def show_customer(request: Request) -> Response:
    external_id = request.path_params["external_id"]
    services = services_of(request)
    now, zone = services.clock.now(), services.settings.brand.tz
    with services.store.read() as connection:
        customer_id = find_customer(connection, external_id)
        if customer_id is None:
            return show_missing(request, f"No customer has the id '{external_id}'.")
        timeline = load_timeline(connection, customer_id, now)
        values: dict[str, Any] = {
            "customer": load_customers(connection, [customer_id], now)[customer_id],
            "consents": load_consents(connection, [customer_id], now).get(customer_id, {}),
            "memberships": load_memberships(connection, customer_id),
            "trips": load_trips(connection, customer_id),
            "mails": load_mails(connection, customer_id),
            "answers": load_said(connection, customer_id),
            "drift": load_figures(connection, [customer_id], now, zone).get(customer_id),
        }
    shown = list(reversed(timeline[-EVENTS_SHOWN:]))
    drift = values["drift"]
    values |= {
        "events": [(one, _gist(one)) for one in shown],
        "event_count": len(timeline),
        "sentence": describe(drift, "en", now, zone) if drift else "",
    }
    return show(request, "customer", values)


def _emails(customers: Mapping[Any, Any]) -> dict[Any, str]:
    return {number: customer.email for number, customer in customers.items()}


def _gist(event: StoredEvent) -> Sequence[tuple[str, str]]:
    """The few properties that fit on a line."""
    plain = [
        (name, str(value))
        for name, value in event.properties.items()
        if isinstance(value, str | int | float) and str(value)
    ]
    return plain[:5]
