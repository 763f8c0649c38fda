"""The web application: open addresses for the world, a door for the dashboard."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from rekindle.errors import StoreUnavailable, kind_and_place
from rekindle.logs import get_logger
from rekindle.services import Services
from web import (
    cloud_events,
    copies,
    dashboard,
    delivery_reports,
    health,
    hooks,
    inbound,
    ingest,
    metrics,
    preferences,
    sign_in,
    surveys,
    tracking,
)
from web.faults import Faults, note_broken_page
from web.pages import Pages, serve_asset
from web.refusals import ReadableAddress, say_what_is_wrong
from web.security import SafeHeaders, allowed_hosts
from web.shares import RequestShares

log = get_logger()


def create_app(
    services: Services, *, bound_hosts: Sequence[str] = (), more: Sequence[BaseRoute] = ()
) -> Starlette:
    """The whole application on `services`; `bound_hosts` are names the server listens under,
    `more` what is mounted beside the rest.

    Closing the services is left to whoever opened them.
    """
    settings = services.settings
    app = Starlette(
        routes=[*more, *_routes()],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(RequestShares),
            Middleware(ReadableAddress),
        ],
        exception_handlers={
            HTTPException: say_what_is_wrong,
            StoreUnavailable: _say_later,
            ClientDisconnect: _say_nothing,
            Exception: _say_sorry,
        },
    )
    # its redirect would lead to whatever host was asked for, before that is judged
    app.router.redirect_slashes = False
    app.state.services = services
    app.state.shared = {Faults: (faults := Faults(services))}
    app.state.pages = Pages(services, faults)
    app.state.hosts = allowed_hosts(settings.base_url, bound_hosts)
    app.state.trusted_proxies = settings.trusted_proxies
    app.state.is_https = settings.base_url.startswith("https:")
    return app


def _routes() -> list[BaseRoute]:
    open_routes: list[BaseRoute] = [
        *health.routes,
        *metrics.routes,
        *cloud_events.routes,
        *ingest.routes,
        *inbound.routes,
        *delivery_reports.routes,
        *hooks.routes,
        *surveys.routes,
        *preferences.routes,
        *tracking.routes,
        *copies.routes,
        Route("/assets/{name}", serve_asset, methods=["GET"]),
    ]
    return [*open_routes, *sign_in.routes, *dashboard.routes]


async def _say_nothing(_request: Request, _error: Exception) -> Response:
    """Whoever asked went away in the middle of it, and hears no answer."""
    return PlainTextResponse("The request ended early.\n", 400)


async def _say_later(request: Request, error: Exception) -> Response:
    """The database does not answer: whoever asks may come again; nothing was done."""
    log.error("store.unavailable", path=request.url.path.split("/")[1], cause=str(error))
    return PlainTextResponse(
        "The database does not answer at the moment. Please try again in a few minutes.\n",
        503,
        headers={"Retry-After": "30"},
    )


async def _say_sorry(request: Request, error: Exception) -> Response:
    """A mistake of ours; the server raises it again, so that its log has the whole story."""
    log.error("request.failed", path=request.url.path.split("/")[1], cause=kind_and_place(error))
    note_broken_page(request, error)
    return PlainTextResponse("Something is wrong on our side. Please try again later.\n", 500)
