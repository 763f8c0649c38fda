"""`/hooks/sendgrid/inbound`: mail that came back to us, passed on by Inbound Parse.

It is not signed, so we ask for Basic credentials with our own password; anything but a 2xx is
sent again. Source: SendGrid's Inbound Parse reference, read 2026-11.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message

from adapters.inbound.mails import read_returned
from adapters.inbound.mime import TooComplex
from rekindle.errors import TooLarge, TooMuch
from rekindle.logs import get_logger
from store.records import CustomerId, Reject, Returned
from store.rejects import note_rejects
from store.returns import act_on
from web.bodies import LargeBodies, run_apart
from web.credentials import read_basic
from web.faults import faults_of
from web.requests import services_of, shared, write

log = get_logger()
SOURCE = "sendgrid inbound"
LARGEST_MAIL = 30 * 1024 * 1024  # SendGrid's own bound
LARGEST_FORM = LARGEST_MAIL + 1024 * 1024
BOUNDARY = "=_rekindle_inbound"
# parts that say what a mail is; SendGrid passes them on as files
TELLING_PARTS = ("message/", "text/rfc822-headers", "text/calendar", "application/ics")
MOST_FILES = 10
WANTED = ("email", "headers", "text", "envelope", "charsets")


@dataclass(frozen=True)
class Form:
    """What is read of a posted form: its fields, and the parts that tell, by their content type."""

    fields: Mapping[str, str | bytes]
    files: Sequence[tuple[str, bytes]]


async def take_inbound(request: Request) -> Response:
    """200 once what it asks for is durable, or if nothing follows from it.

    A mail beyond what is read is noted among the rejects: it would only be sent again.
    """
    services = services_of(request)
    secret = services.settings.sendgrid.inbound_secret.get_secret_value()
    _, password = read_basic(request.headers.get("authorization", ""))
    if not secret or not hmac.compare_digest(password.encode(), secret.encode()):
        if secret:
            faults_of(request).note_failure("source", SOURCE, "the password is missing or wrong.")
        return PlainTextResponse(
            "the password of inbound mail is needed\n",
            401,
            headers={"WWW-Authenticate": 'Basic realm="inbound"'},
        )
    faults_of(request).note_success("source", SOURCE)
    try:
        with shared(request, LargeBodies).hold(SOURCE):
            items, rejects = await run_apart(partial(_sort, await _read(request)))
    except HTTPException as error:
        items, rejects = [], [Reject(f"a form that cannot be read: {error.detail}")]
    except TooLarge as error:
        return PlainTextResponse(f"{error}\n", 413)
    except TooMuch as error:
        return PlainTextResponse(f"{error}\n", 429, {"Retry-After": "30"})
    settings = services.settings

    def work(tx: Connection) -> set[CustomerId]:
        now = services.clock.now()
        note_rejects(tx, SOURCE, rejects, now)
        return act_on(tx, items, now, settings)

    if await write(services, work):
        services.wake.changed()
    log.info("mail.returned", kinds=[item.kind for item in items], rejected=len(rejects))
    return PlainTextResponse("ok\n")


routes: list[BaseRoute] = [
    Route("/hooks/sendgrid/inbound", take_inbound, methods=["POST"]),
    Route("/hooks/sendgrid/inbound/", take_inbound, methods=["POST"]),
]


def _sort(form: Form) -> tuple[list[Returned], list[Reject]]:
    try:
        return read_returned(_raw_mail(form)), []
    except TooComplex as error:
        return [], [Reject(str(error))]


async def _read(request: Request) -> Form:
    """What was posted. Raises TooLarge for a form that is, HTTPException for one with too many
    parts, or that cannot be read.
    """
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        message = await request.receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_FORM:
            raise TooLarge("this mail is too large.")
        return message

    bounded = Request(request.scope, receive)
    async with bounded.form(max_files=100, max_fields=100, max_part_size=LARGEST_MAIL) as form:
        return Form(
            fields={
                name: await value.read() if isinstance(value, UploadFile) else value
                for name, value in form.items()
                if name in WANTED
            },
            files=[
                (file.content_type or "", await file.read())
                for file in _telling_files(form)[:MOST_FILES]
            ],
        )


def _telling_files(form: FormData) -> list[UploadFile]:
    return [
        file
        for _, file in form.multi_items()
        if isinstance(file, UploadFile) and (file.content_type or "").startswith(TELLING_PARTS)
    ]


def _raw_mail(form: Form) -> bytes:
    """The mail itself in raw mode; else one made of its headers, its text and what tells of it."""
    raw = form.fields.get("email")
    if raw is not None:
        return _null_return_path(form) + _bytes_of(raw).lstrip()
    headers = _bytes_of(form.fields.get("headers", "")).strip(b"\r\n")
    text = _bytes_of(form.fields.get("text", ""))
    report = "report" if b"multipart/report" in headers.lower() else "mixed"
    kind = f'Content-Type: multipart/{report}; boundary="{BOUNDARY}"'
    parts = [(f"text/plain; charset={_charset(form)}", text), *form.files]
    body = [f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n".encode() + part for kind, part in parts]
    head = _null_return_path(form) + kind.encode() + b"\r\n" + headers
    return b"\r\n".join([head, b"", *body, f"--{BOUNDARY}--".encode()])


def _null_return_path(form: Form) -> bytes:
    """A field for what the envelope alone tells: that nobody wants an answer (RFC 3834 §3.3)."""
    envelope = _json(form.fields.get("envelope"))
    return b"Return-Path: <>\r\n" if envelope.get("from", "x") == "" else b""


def _charset(form: Form) -> str:
    found = str(_json(form.fields.get("charsets")).get("text", ""))
    return found if found.replace("-", "").replace("_", "").isalnum() else "utf-8"


def _json(field: object) -> dict[str, object]:
    try:
        found = json.loads(field) if isinstance(field, str) else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _bytes_of(field: str | bytes) -> bytes:
    """A field's bytes as they came: what is no UTF-8 was read as Latin-1 by the form's parser."""
    if isinstance(field, bytes):
        return field
    try:
        plain = field.encode("latin-1")
        plain.decode("utf-8")
    except UnicodeEncodeError:
        return field.encode()
    except UnicodeDecodeError:
        return plain
    return field.encode()
