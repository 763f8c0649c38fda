"""One way to show a page of the dashboard: its values, and how it writes them."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from store.holds import find_hold
from web.dashboard.words import write_age, write_count, write_instant, write_name, write_share
from web.pages import page
from web.requests import services_of


def show(request: Request, name: str, values: Mapping[str, Any], *, status: int = 200) -> Response:
    """The dashboard's page called `name`, on the brand's clock."""
    services = services_of(request)
    zone, now = services.settings.brand.tz, services.clock.now()
    with services.store.read() as connection:
        hold = find_hold(connection)
    shared = {
        "hold": hold,
        "here": request.url.path,
        "user": request.state.user,
        "now": now,
        "zone": services.settings.brand.zone,
        "instant": lambda instant: write_instant(instant, zone),
        "age": lambda instant: write_age(instant, now),
        "count": write_count,
        "share": write_share,
        "title": write_name,
    }
    return page(request, f"dashboard/{name}", {**shared, **values}, status=status)


def show_missing(request: Request, what: str) -> Response:
    """404 in the dashboard's dress; `what` is a sentence."""
    return show(request, "missing", {"what": what}, status=404)
