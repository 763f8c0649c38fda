"""`/hooks/sendgrid/inbound`: mail that came back to us, passed on by Inbound Parse.

It is not signed, so we ask for Basic credentials with our own password; anything but a 2xx is
sent again. Source: SendGrid's Inbound Parse reference, read 2026-11.
"""

import hmac
from base64 import b64decode
from binascii import Error as NotBase64

import structlog
from sqlalchemy import Connection
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from adapters.inbound.mails import read_returned
from store.records import CustomerId
from store.returns import act_on
from web.requests import services_of, write

log = structlog.get_logger()
LARGEST_MAIL = 30 * 1024 * 1024  # SendGrid's own bound


async def take_inbound(request: Request) -> Response:
    """200 once what it asks for is durable, or if nothing follows from it."""
    services = services_of(request)
    secret = services.settings.sendgrid.inbound_secret.get_secret_value()
    if not secret or not hmac.compare_digest(_password(request).encode(), secret.encode()):
        return PlainTextResponse(
            "the password of inbound mail is needed\n",
            401,
            headers={"WWW-Authenticate": 'Basic realm="inbound"'},
        )
    if int(request.headers.get("content-length") or 0) > LARGEST_MAIL:
        return PlainTextResponse("this mail is too large\n", 413)
    async with request.form(max_files=100, max_fields=100, max_part_size=LARGEST_MAIL) as form:
        items = read_returned(await _raw_mail(form))
    now, settings = services.clock.now(), services.settings

    def work(tx: Connection) -> set[CustomerId]:
        return act_on(tx, items, now, settings)

    if await write(services, work):
        services.wake.changed()
    log.info("mail.returned", kinds=[item.kind for item in items])
    return PlainTextResponse("ok\n")


routes: list[BaseRoute] = [
    Route("/hooks/sendgrid/inbound", take_inbound, methods=["POST"]),
    Route("/hooks/sendgrid/inbound/", take_inbound, methods=["POST"]),
]


def _password(request: Request) -> str:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(given, validate=True).decode().partition(":")[2]
    except (NotBase64, UnicodeDecodeError):
        return ""


async def _raw_mail(form: FormData) -> bytes:
    """The mail itself in raw mode; else its headers and text, which say who wrote what."""
    raw = form.get("email")
    if raw is not None:
        return await _bytes_of(raw)
    headers = await _bytes_of(form.get("headers", ""))
    return headers.rstrip() + b"\r\n\r\n" + await _bytes_of(form.get("text", ""))


async def _bytes_of(field: object) -> bytes:
    if isinstance(field, str):
        return field.encode()
    read = getattr(field, "read", None)
    return bytes(await read()) if read else b""
