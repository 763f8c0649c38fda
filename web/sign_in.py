"""Signing in: with a password, or once with the link that the server printed when it started."""

import secrets
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from limits import parse as parse_limit
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from rekindle.services import Services
from store.users import find_user, has_users, use_token
from web.pages import page
from web.requests import FormLimit, read_form, services_of, write
from web.security import CONSOLE, DashboardDoor, is_loopback

LINK_HOLDS = timedelta(minutes=30)
TRIES = parse_limit("10 per minute")
PASSWORDS = PasswordHasher()
NO_PASSWORD = PASSWORDS.hash(secrets.token_urlsafe(16))  # costs a stranger as much time as a user
SHORTEST_PASSWORD = 10


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


def hash_password(password: str) -> str:
    """As stored: argon2id with its salt and costs."""
    return PASSWORDS.hash(password)


def is_password(services: Services, email: str, password: str) -> bool:
    """True if this user has this password; takes as long for a user who does not exist."""
    with services.store.read() as connection:
        user = find_user(connection, email)
    try:
        PASSWORDS.verify(user.password_hash if user else NO_PASSWORD, password)
    except Argon2Error:
        return False
    return user is not None


async def show_sign_in(request: Request) -> Response:
    with services_of(request).store.read() as connection:
        values = {"has_users": has_users(connection), "problem": ""}
    return page(request, "sign_in", values)


async def check_sign_in(request: Request) -> Response:
    """A session for the right address and password."""
    form = await read_form(request)
    email, password = form.get("email", "").strip().lower(), form.get("password", "")
    client = request.client.host if request.client else ""
    if not request.app.state.sign_in_tries.hit(TRIES, client):
        return _again(request, "Too many tries. Wait a minute.", 429)
    if not await run_in_threadpool(is_password, services_of(request), email, password):
        return _again(request, "That address and password do not belong together.", 401)
    request.session.clear()
    request.session["user"] = email
    return RedirectResponse("/", 303)


async def follow_sign_in_link(request: Request) -> Response:
    """A session for whoever can read what the server printed."""
    services = services_of(request)
    token = request.path_params["token"]
    now = services.clock.now()
    found = services.signer.read_sign_in(token, now)
    with services.store.read() as connection:
        is_over = has_users(connection)
    if found is None or is_over or not await write(services, lambda tx: use_token(tx, token, now)):
        return _again(request, "This link has been used or is too old.", 403)
    request.session.clear()
    request.session["user"] = CONSOLE
    return RedirectResponse("/", 303)


async def sign_out(request: Request) -> Response:
    request.session.clear()
    return RedirectResponse("/sign-in", 303)


def new_tries() -> MovingWindowRateLimiter:
    """Counts tries to sign in, by address of the client, within this process."""
    return MovingWindowRateLimiter(MemoryStorage())


def _again(request: Request, problem: str, status: int) -> Response:
    with services_of(request).store.read() as connection:
        values = {"has_users": has_users(connection), "problem": problem}
    return page(request, "sign_in", values, status=status)


async def sign_in(request: Request) -> Response:
    return await (check_sign_in if request.method == "POST" else show_sign_in)(request)


DOOR = [Middleware(DashboardDoor, is_open=True), Middleware(FormLimit)]
routes = [
    Route("/sign-in", sign_in, methods=["GET", "POST"], middleware=DOOR),
    Route("/sign-in/{token}", follow_sign_in_link, methods=["GET"], middleware=DOOR),
    Route("/sign-out", sign_out, methods=["POST"], middleware=DOOR),
]
