"""Who may ask for the dashboard, from where, under which name; and what browsers may do with it."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rekindle.services import Services
from store.sessions import Session, find_session, renew_session
from store.users import has_users
from web.clients import client_address
from web.requests import services_of, write

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
COOKIE = "rekindle_sign_in"
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A mail is shown as it looks, and can do nothing: no scripts, no requests, so no opens of our own.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class SafeHeaders:
    """Middleware: every answer bears the safe headers that it does not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class DashboardDoor:
    """Middleware of the dashboard: our own name, our own pages, somebody we know."""

    def __init__(self, app: ASGIApp, *, is_open: bool = False) -> None:
        self.app = app
        self.is_open = is_open  # the sign-in itself: asks for everything but a session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        answer = refuse_stranger(request)
        if answer is None and not self.is_open:
            session = await _open_session(request)
            request.state.user = session.name if session else ""
            answer = None if session else RedirectResponse("/sign-in", 303)
        await (answer or self.app)(scope, receive, send)


def refuse_stranger(request: Request) -> Response | None:
    """What to answer to a foreign host name, a foreign page's form, or a machine not our own."""
    if not is_our_host(request.headers.get("host", ""), request.app.state.hosts):
        return PlainTextResponse("This address is not one of ours.\n", 421)
    if request.method not in SAFE_METHODS and not is_own_form(request.headers):
        return PlainTextResponse("This form was sent from another site.\n", 403)
    if not _is_near(request) and not _has_users(services_of(request)):
        return PlainTextResponse("Nobody can sign in yet: run `rekindle users add`.\n", 403)
    return None


def allowed_hosts(base_url: str, bound: Iterable[str]) -> frozenset[str]:
    """The names under which the dashboard may be asked for."""
    named = (urlsplit(base_url).hostname or "", *bound)
    return frozenset({name.lower() for name in named if name} | set(LOOPBACK_NAMES))


def is_our_host(header: str, hosts: frozenset[str]) -> bool:
    """True if a Host header names us, whatever the port."""
    try:
        name = urlsplit(f"//{header}").hostname
    except ValueError:
        return False
    return name is not None and name in hosts


def is_own_form(headers: Headers) -> bool:
    """True if a browser says that our own page sent this, or what sent it is no browser."""
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


async def _open_session(request: Request) -> Session | None:
    """Return the session that the cookie names, which lasts on from now."""
    services = services_of(request)
    if not (token := request.cookies.get(COOKIE)):
        return None
    now = services.clock.now()
    with services.store.read() as connection:
        session = find_session(connection, token, now)
    if session is not None and session.should_renew(now):
        await write(services, lambda tx: renew_session(tx, session, now))
    return session


def _has_users(services: Services) -> bool:
    with services.store.read() as connection:
        return has_users(connection)


def is_loopback(host: str) -> bool:
    """True for an address or name of this machine itself, seen from inside."""
    try:
        return host in LOOPBACK_NAMES or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_near(request: Request) -> bool:
    """Whether it comes from this machine; through a proxy that says from where, from there."""
    address = client_address(request)
    return address is not None and address.is_loopback
