"""So many requests are answered at once, and of one client only a part of them."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from rekindle.logs import Seldom
from web.clients import client_address, holder_of
from web.refusals import refusal_of_program
from web.requests import shared
from web.room import Room

MOST_AT_ONCE = 1_000  # connections, and requests being answered
MOST_OF_ONE = 200  # a fleet behind one address has enough of them, and others are left the rest
RETRY_SECONDS = 5
RETRY = {"Retry-After": str(RETRY_SECONDS), "Connection": "close"}
TOO_MANY = "Too much at once from your address. Try again in some seconds."
FULL = "Too much at once. Try again in some seconds."
HEALTH = ("/healthz", "/readyz")  # whoever watches the process is always told

refused = Seldom("connections.refused")


class Requests(Room):
    """The requests that are being answered, by client."""

    def __init__(self) -> None:
        super().__init__(MOST_AT_ONCE, MOST_OF_ONE)


class RequestShares:
    """Middleware: what is beyond the share of a client, told apart behind proxies too, is answered
    429, what is beyond all shares 503.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in HEALTH:
            return await self.app(scope, receive, send)
        request = Request(scope)
        requests = shared(request, Requests)
        holder = holder_of(client_address(request), request.app.state.trusted_proxies)
        if not requests.enter(holder):
            refused.note(why="requests")
            mine = requests.has_all_its_places(holder)
            status, sentence = (429, TOO_MANY) if mine else (503, FULL)
            return await refusal_of_program(request, status, sentence, RETRY)(scope, receive, send)
        try:
            await self.app(scope, receive, send)
        finally:
            requests.leave(holder)


class OnlyHealth:
    """The application for connections beyond all that are served."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["path"] not in HEALTH:
            refused.note(why="full")
            app = PlainTextResponse(f"{FULL}\n", 503, RETRY)
        await app(scope, receive, send)
