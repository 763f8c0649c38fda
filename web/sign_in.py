"""Signing in: with a password, or once with the link that the server printed when it started."""

import secrets
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from rekindle.services import Services
from store.sessions import LONGEST, begin_session, end_session
from store.users import User, find_user, has_users, use_token
from templates.links import SignIn
from web.clients import client_address, origin_of
from web.pages import page
from web.passwords import Comparisons, compare_apart, is_password
from web.requests import FormLimit, read_form, services_of, shared, write
from web.security import COOKIE, DashboardDoor, is_loopback
from web.tries import Tries

LINK_HOLDS = timedelta(minutes=30)
WRONG = "That address and password do not belong together."
STALE = "This link has been used or is too old."
BUSY = "Too many people sign in at this moment. Try again in some seconds."
BUSY_SECONDS = 2
MINUTE = 60


def make_sign_in_link(services: Services, base_url: str | None = None) -> str | None:
    """A link into the dashboard that works once, soon, and only while there are no users.

    `base_url` is where this process listens, when that is not the public address. None once
    somebody can sign in with a password.
    """
    with services.store.read() as connection:
        if has_users(connection):
            return None
    expires_at = services.clock.now() + LINK_HOLDS
    token = services.signer.sign_in(secrets.token_urlsafe(16), expires_at)
    return f"{(base_url or services.settings.base_url).rstrip('/')}/sign-in/{token}"


def may_listen_on(services: Services, host: str) -> bool:
    """False for an address that strangers reach while nobody needs a password."""
    with services.store.read() as connection:
        return is_loopback(host) or has_users(connection)


def find_user_by_password(services: Services, email: str, password: str) -> User | None:
    """Return the user with this password; takes as long for a user who does not exist."""
    with services.store.read() as connection:
        user = find_user(connection, email)
    is_right = is_password(password, user.password_hash if user else None)
    return user if is_right else None


async def show_sign_in(request: Request) -> Response:
    with services_of(request).store.read() as connection:
        values = {"has_users": has_users(connection), "problem": ""}
    return page(request, "sign_in", values)


async def check_sign_in(request: Request) -> Response:
    """A session for the right address and password."""
    form = await read_form(request)
    services = services_of(request)
    email, password = form.get("email", "").strip().lower(), form.get("password", "")
    client = origin_of(client_address(request))
    comparisons = shared(request, Comparisons)
    if not comparisons.enter(client):
        return _again(request, BUSY, 503, wait=BUSY_SECONDS)
    try:
        if (bound := shared(request, Tries).count(client, email)) is not None:
            wait = bound.get_expiry()
            span = "an hour" if wait > MINUTE else "a minute"
            return _again(request, f"Too many tries. Wait {span}.", 429, wait=wait)
        user = await compare_apart(partial(find_user_by_password, services, email, password))
    finally:
        comparisons.leave(client)
    if user is None:
        return _again(request, WRONG, 401)
    now = services.clock.now()
    token = await write(services, lambda tx: begin_session(tx, now, user.id, user.password_hash))
    return _signed_in(request, token) if token else _again(request, WRONG, 401)


async def follow_sign_in_link(request: Request) -> Response:
    """A session for whoever can read what the server printed."""
    services = services_of(request)
    token = request.path_params["token"]
    now = services.clock.now()
    found = services.signer.read_sign_in(token, now)
    if found is None:
        return _again(request, STALE, 403)
    session = await write(services, lambda tx: _use_link(tx, found, now))
    return _signed_in(request, session) if session else _again(request, STALE, 403)


def _use_link(tx: Connection, link: SignIn, now: datetime) -> str | None:
    """Return the token of a session, once for each link and only while there are no users."""
    if has_users(tx) or not use_token(tx, link.nonce, now):
        return None
    return begin_session(tx, now)


async def sign_out(request: Request) -> Response:
    """End this browser's session, for whoever else holds its cookie too."""
    if token := request.cookies.get(COOKIE):
        await write(services_of(request), lambda tx: end_session(tx, token))
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(COOKIE)
    return response


def _signed_in(request: Request, token: str) -> Response:
    response = RedirectResponse("/", 303)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(LONGEST.total_seconds()),  # it ends sooner by its row
        httponly=True,
        samesite="lax",
        secure=request.app.state.is_https,
    )
    return response


def _again(request: Request, problem: str, status: int, *, wait: int | None = None) -> Response:
    with services_of(request).store.read() as connection:
        values = {"has_users": has_users(connection), "problem": problem}
    answer: Response = page(request, "sign_in", values, status=status)
    if wait is not None:
        answer.headers["Retry-After"] = str(wait)
    return answer


async def sign_in(request: Request) -> Response:
    return await (check_sign_in if request.method == "POST" else show_sign_in)(request)


DOOR = [Middleware(DashboardDoor, is_open=True), Middleware(FormLimit)]
routes = [
    Route("/sign-in", sign_in, methods=["GET", "POST"], middleware=DOOR),
    Route("/sign-in/{token}", follow_sign_in_link, methods=["GET"], middleware=DOOR),
    Route("/sign-out", sign_out, methods=["POST"], middleware=DOOR),
]
